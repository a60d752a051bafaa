import math
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from ketbase.backends.catalog import backends
from ketbase.backends.experiments import Experiment
from ketbase.backends.types import BackendInfo, CompiledCircuit, Outcome
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.errors import ExecutionError, InvalidCircuitError, NotFoundError
from ketbase.quantum.build import circuit_of
from ketbase.quantum.describe import definition_of
from ketbase.quantum.devices import device
from ketbase.quantum.methods import choose
from ketbase.quantum.openqasm3 import read
from ketbase.quantum.programs import from_bytes
from ketbase.quantum.providers import QuantumProviders
from ketbase.quantum.simulators import AerEngine

from .circuits import definitions

PROVIDER = QuantumProviders({"aer": AerEngine})


def gate(name: str, *targets: int, bit: int | None = None, **angles: float | str) -> Gate:
    parameters = {"lambda" if key == "lam" else key: value for key, value in angles.items()}
    return Gate(type=name, targets=targets, parameters=parameters, clbits=() if bit is None else (bit,))


def of(n_qubits: int, *gates: Gate, registers: tuple[tuple[str, int], ...] = ()) -> CircuitDefinition:
    return CircuitDefinition.of_gates(n_qubits, gates, registers)


def ghz(n_qubits: int) -> CircuitDefinition:
    return of(n_qubits, gate("H", 0), *(gate("CNOT", i, i + 1) for i in range(n_qubits - 1)))


def fourier_state(n_qubits: int, number: int) -> list[Gate]:
    phases = [gate("P", q, lam=2 * math.pi * number * 2**q / 2**n_qubits) for q in range(n_qubits)]
    return [*(gate("H", q) for q in range(n_qubits)), *phases]


def inverse_fourier(n_qubits: int) -> list[Gate]:
    gates = [gate("SWAP", q, n_qubits - 1 - q) for q in range(n_qubits // 2)]
    for q in range(n_qubits):
        gates += [gate("CP", k, q, lam=-math.pi / 2 ** (q - k)) for k in range(q)]
        gates.append(gate("H", q))
    return gates


def brickwork(n_qubits: int, depth: int) -> CircuitDefinition:
    dice = random.Random(5)
    gates: list[Gate] = []
    for _ in range(depth):
        gates += [gate("U", q, theta=dice.random(), phi=dice.random(), lam=dice.random()) for q in range(n_qubits)]
        order = dice.sample(range(n_qubits), n_qubits)
        gates += [gate("CNOT", order[i], order[i + 1]) for i in range(0, n_qubits - 1, 2)]
    return of(n_qubits, *gates)


def info(backend: str) -> BackendInfo:
    return backends().get(backend) or backends()["aer"].model_copy(update={"id": backend})


def compiled(
    definition: CircuitDefinition, backend: str = "aer", *, seed: int = 7, level: int = 1, **parameters: float
) -> CompiledCircuit:
    return PROVIDER.compile(
        definition,
        backend=info(backend),
        experiment=Experiment(parameters=(parameters,)),
        seed=seed,
        optimization_level=level,
    )


def execute(
    circuit: CompiledCircuit, *, shots: int, seed: int = 0, noise: bool = False, max_memory_mb: int = 3_000
) -> Outcome:
    provider = QuantumProviders({"aer": lambda: AerEngine(max_memory_mb)})
    return provider.execute(
        circuit, backend=info(circuit.backend), experiment=Experiment(), shots=shots, seed=seed, noise=noise
    )


def run(
    definition: CircuitDefinition, backend: str = "aer", *, shots: int = 1_000, seed: int = 11, noise: bool = False
) -> Outcome:
    return execute(compiled(definition, backend), shots=shots, seed=seed, noise=noise)


CERTAIN = {
    "001": of(3, gate("X", 0)),
    "011": of(3, gate("X", 0), gate("CNOT", 0, 1)),
    "001 by Fourier": of(3, *fourier_state(3, 1), *inverse_fourier(3)),
}


@pytest.mark.parametrize("backend", [name for name, each in backends().items() if each.engine == "aer"])
@pytest.mark.parametrize("name", CERTAIN)
def test_qubit_0_is_rightmost_on_every_backend(backend: str, name: str) -> None:
    assert run(CERTAIN[name], backend, shots=100).counts[0] == {name[:3]: 100}


def test_counts_follow_the_classical_bits_and_not_the_qubits() -> None:
    definition = of(
        3,
        gate("X", 2),
        gate("MEASURE", 2, bit=0),
        gate("MEASURE", 0, bit=3),
        registers=(("low", 1), ("high", 3)),
    )
    for backend in ("aer", "fake_torino"):
        outcome = run(definition, backend, shots=50)
        assert outcome.counts[0] == {"0001": 50}
    assert compiled(definition).registers == (("low", 1), ("high", 3))


def test_a_circuit_without_measurement_gets_one_of_every_qubit() -> None:
    circuit = compiled(of(3, gate("X", 1)))
    assert circuit.registers == (("meas", 3),)
    assert execute(circuit, shots=10, seed=0, noise=False).counts[0] == {"010": 10}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(definition=definitions(n_qubits=3, max_gates=10), backend=st.sampled_from(["aer", "fake_fez", "fake_kyiv"]))
def test_frequencies_agree_with_the_statevector(definition: CircuitDefinition, backend: str) -> None:
    exact = Statevector(circuit_of(definition)).probabilities_dict()
    shots = 4_000
    counts = run(definition, backend, shots=shots).counts[0]
    assert sum(counts.values()) == shots
    for outcome, times in counts.items():
        probability = exact.get(outcome, 0.0)
        spread = math.sqrt(probability * (1 - probability) / shots)
        assert abs(times / shots - probability) < 6 * spread + 2e-3


def test_a_noisy_ghz_is_dominated_by_its_two_outcomes_but_not_perfectly() -> None:
    outcome = run(ghz(5), "fake_fez", shots=4_096, noise=True)
    ideal = outcome.counts[0]["00000"] + outcome.counts[0]["11111"]
    assert sum(outcome.counts[0].values()) == 4_096
    assert 0.75 * 4_096 < ideal < 0.99 * 4_096


def test_noise_off_gives_a_perfect_ghz() -> None:
    outcome = run(ghz(5), "fake_fez", shots=4_096)
    assert set(outcome.counts[0]) == {"00000", "11111"}
    assert outcome.method == "stabilizer"


@pytest.mark.parametrize(("backend", "noise"), [("aer", False), ("fake_fez", True)])
def test_the_same_seed_gives_the_same_counts_and_another_seed_others(backend: str, noise: bool) -> None:
    definition = of(4, *(gate("RY", q, theta=0.4 + q) for q in range(4)), gate("CNOT", 0, 3))
    outcomes = [run(definition, backend, seed=seed, noise=noise).counts[0] for seed in (5, 5, 6)]
    assert outcomes[0] == outcomes[1] != outcomes[2]
    programs = [compiled(definition, backend, seed=3).qasm for _ in range(2)]
    assert programs[0] == programs[1]


def test_seeds_of_64_bits_are_taken() -> None:
    assert run(ghz(2), "fake_fez", seed=2**63 - 1, noise=True).shots == 1_000


def test_trajectories_with_noise_repeat_too() -> None:
    definition = of(
        2,
        gate("X", 0),
        gate("MEASURE", 0, bit=0),
        gate("RESET", 0),
        gate("H", 0),
        gate("CNOT", 0, 1),
        gate("MEASURE", 1, bit=1),
        registers=(("c", 2),),
    )
    first, second = (run(definition, "fake_fez", seed=4, noise=True) for _ in range(2))
    assert first.counts[0] == second.counts[0]
    assert first.counts[0]["01"] + first.counts[0]["11"] > 900


def test_a_compiled_circuit_says_where_it_runs_and_what_made_it() -> None:
    circuit = compiled(ghz(5), "fake_fez")
    assert len(circuit.physical_qubits) == 5
    assert set(circuit.layout) == set(circuit.physical_qubits)
    assert circuit.physical_qubits == tuple(sorted(circuit.physical_qubits))
    assert set(circuit.gate_counts) <= {"rz", "sx", "x", "id", "cz", "measure"}
    assert circuit.gate_counts["cz"] >= 4
    assert f"${circuit.layout[0]};" in circuit.qasm
    assert circuit.calibrated_at is not None
    assert circuit.calibrated_at == backends()["fake_fez"].calibration.taken_at  # type: ignore[union-attr]
    assert set(circuit.sdk) == {"python", "qiskit", "qiskit-aer", "qiskit-ibm-runtime", "ketbase"}
    assert circuit.depth > 5


def test_a_compiled_circuit_survives_json() -> None:
    circuit = compiled(ghz(3), "fake_fez")
    again = CompiledCircuit.model_validate_json(CompiledCircuit.model_validate(circuit).model_dump_json())
    ran = [execute(each, shots=200, seed=1, noise=True).counts[0] for each in (circuit, again)]
    assert ran[0] == ran[1]


@pytest.mark.parametrize("level", [0, 1])
def test_routing_crosses_no_dead_coupler(level: int) -> None:
    program = from_bytes(compiled(ghz(110), "fake_torino", level=level).program)[0]
    errors = device("fake_torino").target["cz"]
    used = [tuple(program.find_bit(q).index for q in i.qubits) for i in program.data if i.name == "cz"]
    assert len(used) >= 109
    assert all(errors[pair].error < 1 for pair in used)


def test_a_circuit_as_large_as_the_device_is_routed_somehow() -> None:
    assert len(compiled(ghz(133), "fake_torino").physical_qubits) == 133


def parametric() -> CircuitDefinition:
    return of(1, gate("RX", 0, theta="2*theta_0 + pi"), gate("RZ", 0, theta="1/x_0"))


def test_parameters_are_bound_by_name() -> None:
    counts = execute(compiled(parametric(), theta_0=0.0, x_0=2.0), shots=10, seed=0, noise=False).counts[0]
    assert counts == {"1": 10}


@pytest.mark.parametrize(
    ("values", "code", "names"),
    [
        ({"theta_0": 1.0}, "UNBOUND_PARAMETERS", ["x_0"]),
        ({"theta_0": 1.0, "x_0": 1.0, "phi": 1.0}, "UNKNOWN_PARAMETERS", ["phi"]),
        ({"theta_0": 1.0, "x_0": 0.0}, "INVALID_PARAMETER", None),
    ],
)
@pytest.mark.parametrize("backend", ["aer", "fake_fez"])
def test_parameters_without_a_usable_value_are_named(
    backend: str, values: dict[str, float], code: str, names: list[str] | None
) -> None:
    with pytest.raises(InvalidCircuitError) as caught:
        compiled(parametric(), backend, **values)
    assert caught.value.code == code
    assert caught.value.details.get("parameters") == names


def test_too_many_qubits_are_refused_with_both_numbers() -> None:
    with pytest.raises(InvalidCircuitError) as caught:
        compiled(ghz(134), "fake_torino")
    assert caught.value.code == "TOO_MANY_QUBITS"
    assert (caught.value.details["n_qubits"], caught.value.details["max_qubits"]) == (134, 133)


def test_an_unknown_simulator_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        compiled(ghz(2), "fake_atlantis")


CONDITIONAL = definition_of(
    read(
        'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\nbit d;\nx q[0];\nc[0] = measure q[0];\n'
        "if (c[0]) { x q[1]; }\nif (c == 2) { x q[0]; }\nc[1] = measure q[1];\nd = measure q[0];\n"
    )
)


@pytest.mark.parametrize("backend", ["aer", "fake_fez", "fake_aachen"])
def test_a_classical_condition_steers_the_circuit(backend: str) -> None:
    assert run(CONDITIONAL, backend, shots=64).counts[0] == {"111": 64}


def test_a_classical_condition_runs_with_noise_on_few_qubits() -> None:
    outcome = run(CONDITIONAL, "fake_fez", shots=256, noise=True)
    assert 180 < outcome.counts[0]["111"] < 256


LOOP = definition_of(
    read(
        'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit q;\nbit c;\nh q;\nc = measure q;\n'
        "while (!c) { h q; c = measure q; }\n"
    )
)


def test_a_loop_runs_until_its_condition_holds() -> None:
    assert run(LOOP, shots=64).counts[0] == {"1": 64}


@pytest.mark.parametrize(
    ("definition", "backend", "operation"),
    [
        (LOOP, "fake_fez", "while_loop"),
        (CONDITIONAL, "fake_washington", "if_else"),
        (of(1, gate("RESET", 0)), "fake_miami", "reset"),
    ],
)
def test_what_a_backend_lacks_is_named(definition: CircuitDefinition, backend: str, operation: str) -> None:
    with pytest.raises(InvalidCircuitError) as caught:
        compiled(definition, backend)
    assert caught.value.code == "UNSUPPORTED_OPERATION"
    assert operation in caught.value.details["operations"]


def test_a_large_ghz_runs_in_seconds() -> None:
    started = time.monotonic()
    outcome = run(ghz(100), shots=4_096)
    assert time.monotonic() - started < 10
    assert set(outcome.counts[0]) == {"0" * 100, "1" * 100}
    assert outcome.method == "stabilizer"


def test_a_large_circuit_of_little_entanglement_runs_as_a_matrix_product_state() -> None:
    definition = of(60, gate("RY", 0, theta=1.0), *(gate("CNOT", i, i + 1) for i in range(59)))
    outcome = run(definition, shots=500)
    assert outcome.method == "matrix_product_state"
    assert set(outcome.counts[0]) == {"0" * 60, "1" * 60}
    assert abs(outcome.counts[0]["1" * 60] / 500 - math.sin(0.5) ** 2) < 0.1


def test_a_large_fourier_transform_runs_although_no_bound_promises_it() -> None:
    definition = of(36, *fourier_state(36, 77), *inverse_fourier(36))
    outcome = run(definition, shots=100)
    assert outcome.method == "matrix_product_state"
    assert outcome.counts[0] == {f"{77:036b}": 100}


def test_what_does_not_fit_into_memory_is_refused_before_it_starts_with_both_numbers() -> None:
    circuit = compiled(brickwork(24, 20))
    started = time.monotonic()
    with pytest.raises(ExecutionError) as caught:
        execute(circuit, shots=100, max_memory_mb=200)
    assert time.monotonic() - started < 2
    assert caught.value.code == "INSUFFICIENT_MEMORY"
    assert (caught.value.details["needed_mb"], caught.value.details["available_mb"]) == (269, 200)


def test_a_large_circuit_that_entangles_too_much_is_refused_and_not_approximated() -> None:
    circuit = compiled(brickwork(33, 6))
    with pytest.raises(ExecutionError) as caught:
        execute(circuit, shots=10, max_memory_mb=1)
    assert caught.value.code == "INSUFFICIENT_MEMORY"


def chosen(definition: CircuitDefinition, *, noisy: bool, shots: int = 1_000) -> str:
    circuit: QuantumCircuit = circuit_of(definition).measure_all(inplace=False)
    return choose(circuit, shots=shots, noisy=noisy, max_memory_mb=3_000).name


def test_the_method_follows_the_circuit() -> None:
    assert chosen(ghz(50), noisy=False) == "stabilizer"
    assert chosen(brickwork(10, 5), noisy=False) == "statevector"
    assert chosen(brickwork(5, 3), noisy=True) == "density_matrix"
    assert chosen(brickwork(13, 20), noisy=True, shots=10) == "statevector"
    assert chosen(ghz(40), noisy=True) == "matrix_product_state"


def test_many_shots_go_to_the_state_that_is_sampled_fastest() -> None:
    rotations = [gate("RY", q, theta=0.3) for q in range(20)]
    layers = [[*rotations, *(gate("CZ", q, q + 1) for q in range(layer % 2, 19, 2))] for layer in range(10)]
    definition = of(20, *(each for layer in layers for each in layer))
    assert chosen(definition, noisy=False, shots=100) == "matrix_product_state"
    assert chosen(definition, noisy=False, shots=100_000) == "statevector"


@pytest.mark.parametrize(
    ("angle", "one"), [(0.0, 0), (math.pi, 64), (-math.pi, 64), (2 * math.pi, 0), (3 * math.pi, 64)]
)
@pytest.mark.parametrize("error", [0.0, 2e-15, -2e-15])
def test_a_quarter_turn_that_the_compiler_left_inexact_is_still_a_clifford_gate(
    angle: float, one: int, error: float
) -> None:
    half = gate("RZ", 0, theta=angle / 2 + error)
    outcome = run(of(1, gate("H", 0), half, half, gate("H", 0)), shots=64)
    assert outcome.method == "stabilizer"
    assert outcome.counts[0].get("1", 0) == one
