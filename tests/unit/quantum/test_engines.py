"""Every simulator gives the same answers, in the same order of bits."""

import math
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_aer import AerSimulator

from ketbase.backends.catalog import backends
from ketbase.backends.experiments import Experiment, Observable
from ketbase.backends.types import CompiledCircuit, Outcome
from ketbase.circuits.gates import GATES
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.errors import ExecutionError, InvalidCircuitError
from ketbase.quantum.build import GATE_CLASSES, circuit_of
from ketbase.quantum.cuquantum import CuQuantumEngine
from ketbase.quantum.describe import definition_of
from ketbase.quantum.lightning import LightningEngine
from ketbase.quantum.openqasm3 import read
from ketbase.quantum.providers import QuantumProviders
from ketbase.quantum.qsim import QsimEngine
from ketbase.quantum.simulators import AerEngine
from ketbase.run.types import MAX_SEED
from tests.conformance import Counts, check_certain, check_random, gate, ideal, reversed_bits, total_variation

from .circuits import UNITARY_GATES, definitions, gates

PROVIDER = QuantumProviders(
    {
        "aer": AerEngine,
        "qsim": QsimEngine,
        "lightning": LightningEngine,
        # All but the GPU: what it does there, it does on a processor as well.
        "cuquantum": partial(CuQuantumEngine, device="CPU"),
    }
)
STATEVECTORS = ("qsim", "lightning", "cuquantum")
IDEAL = ("aer", *STATEVECTORS)
DEVICES = ("fake_fez", "fake_kyiv", "fake_torino")


def compiled(definition: CircuitDefinition, backend: str, *parameters: dict[str, float]) -> CompiledCircuit:
    return PROVIDER.compile(
        definition,
        backend=backends()[backend],
        experiment=Experiment(parameters=parameters or ({},)),
        seed=7,
        optimization_level=1,
    )


def execute(
    circuit: CompiledCircuit, *, shots: int, seed: int = 3, provider: QuantumProviders = PROVIDER
) -> Outcome:
    return provider.execute(
        circuit, backend=backends()[circuit.backend], experiment=Experiment(), shots=shots, seed=seed, noise=False
    )


def counts(definition: CircuitDefinition, backend: str, *, shots: int, seed: int = 3) -> Counts:
    return execute(compiled(definition, backend), shots=shots, seed=seed).counts[0]


def executed(backend: str, circuits: Sequence[CircuitDefinition], shots: int) -> list[Counts]:
    return [counts(circuit, backend, shots=shots) for circuit in circuits]


def executed_reversed(backend: str, circuits: Sequence[CircuitDefinition], shots: int) -> list[Counts]:
    return [reversed_bits(each) for each in executed(backend, circuits, shots)]


@pytest.mark.parametrize("backend", [*IDEAL, *DEVICES])
def test_a_circuit_with_a_certain_answer_gives_it(backend: str) -> None:
    check_certain(partial(executed, backend))


@pytest.mark.parametrize("backend", [*IDEAL, *DEVICES])
def test_random_circuits_have_their_exact_distribution(backend: str) -> None:
    check_random(partial(executed, backend))


@pytest.mark.parametrize("backend", [*IDEAL, *DEVICES])
def test_bits_in_reversed_order_would_be_caught(backend: str) -> None:
    with pytest.raises(AssertionError):
        check_certain(partial(executed_reversed, backend))
    with pytest.raises(AssertionError):
        check_random(partial(executed_reversed, backend))


# --- Every gate ---


@pytest.mark.parametrize("backend", STATEVECTORS)
@pytest.mark.parametrize("name", UNITARY_GATES)
def test_every_gate_acts_as_it_does_in_qiskit(name: str, backend: str) -> None:
    def mixed(start: float) -> list[Gate]:
        return [gate("U", q, theta=start + q, phi=0.3 * start + 0.7 * q, lam=1.1 * q - start) for q in range(3)]

    angles = {angle: 1.9 + 0.9 * place for place, angle in enumerate(GATES[name].angles)}
    middle = Gate(type=name, targets=(2, 0, 1)[: GATES[name].qubits], parameters=angles)
    definition = CircuitDefinition.of_gates(3, [*mixed(0.6), middle, *mixed(1.3)])
    assert total_variation(counts(definition, backend, shots=200_000), ideal(definition)) < 0.01


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(definition=definitions(n_qubits=4, max_gates=16))
def test_all_simulators_give_a_stored_circuit_the_same_distribution(definition: CircuitDefinition) -> None:
    exact = ideal(definition)
    off = {backend: total_variation(counts(definition, backend, shots=100_000), exact) for backend in IDEAL}
    assert max(off.values()) < 0.015, off


# --- Measurements and resets before the end ---


@st.composite
def interrupted(draw: st.DrawFn) -> CircuitDefinition:
    """Circuits that measure, over and over, into any of four bits, and reset."""
    qubit, bit = st.integers(0, 2), st.integers(0, 3)
    started = [gate("U", q, theta=1.0 + 0.4 * q, phi=0.3, lam=0.2) for q in range(3)]
    entangled = gates(3, ["CNOT", "CRX", "ISWAP"])
    measured = st.builds(lambda q, c: gate("MEASURE", q, bit=c), qubit, bit)
    some = st.one_of(gates(3, ["H", "U", "SX"]), entangled, measured, st.builds(lambda q: gate("RESET", q), qubit))
    steps = [*started, draw(entangled), *draw(st.lists(some, min_size=1, max_size=10)), draw(measured)]
    return CircuitDefinition.of_gates(3, steps, [("c", 4)])


def followed(definition: CircuitDefinition) -> dict[str, float]:
    """The exact distribution, by following every outcome of every measurement."""
    branches = [(1.0, "0" * sum(size for _, size in definition.registers), Statevector.from_int(0, 8))]
    for each in definition.gates:
        if each.type not in ("MEASURE", "RESET"):
            act = GATE_CLASSES[each.type](*map(float, each.angles))
            branches = [(p, bits, state.evolve(act, list(each.targets))) for p, bits, state in branches]
            continue
        split = []
        for p, bits, state in branches:
            chances = state.probabilities(list(each.targets))
            for value in (0, 1):
                if chances[value] > 1e-12:
                    kept = Statevector(
                        [a if index >> each.targets[0] & 1 == value else 0 for index, a in enumerate(state.data)]
                    )
                    kept = kept / chances[value] ** 0.5
                    if each.type == "RESET":
                        kept = kept.evolve(GATE_CLASSES["X"](), list(each.targets)) if value else kept
                        split.append((p * chances[value], bits, kept))
                    else:
                        place = len(bits) - 1 - each.clbits[0]
                        split.append((p * chances[value], f"{bits[:place]}{value}{bits[place + 1 :]}", kept))
        branches = split
    found: dict[str, float] = {}
    for p, bits, _ in branches:
        found[bits] = found.get(bits, 0.0) + p
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(definition=interrupted())
def test_what_comes_after_a_measurement_follows_from_its_outcome(definition: CircuitDefinition) -> None:
    exact = followed(definition)
    off = {backend: total_variation(counts(definition, backend, shots=4_000), exact) for backend in IDEAL}
    assert max(off.values()) < 0.06, off


@pytest.mark.parametrize("backend", STATEVECTORS)
def test_a_reset_qubit_is_zero_whatever_it_was_entangled_with(backend: str) -> None:
    steps = [gate("H", 0), gate("CNOT", 0, 1), gate("RESET", 0), gate("CNOT", 0, 2)]
    found = counts(CircuitDefinition.of_gates(3, steps), backend, shots=1_000)
    assert set(found) == {"000", "010"}
    assert abs(found["010"] - 500) < 100


@pytest.mark.parametrize("backend", STATEVECTORS)
def test_the_last_measurement_into_a_bit_is_what_it_holds(backend: str) -> None:
    steps = [
        gate("X", 0),
        gate("MEASURE", 0, bit=0),
        gate("MEASURE", 1, bit=0),
        gate("X", 1),
        gate("MEASURE", 1, bit=1),
    ]
    assert counts(CircuitDefinition.of_gates(2, steps, [("c", 2)]), backend, shots=10) == {"10": 10}
    first_last = [gate("X", 0), gate("MEASURE", 1, bit=0), gate("MEASURE", 0, bit=0), gate("X", 0)]
    assert counts(CircuitDefinition.of_gates(2, first_last, [("c", 1)]), backend, shots=10) == {"1": 10}


@pytest.mark.parametrize("backend", STATEVECTORS)
def test_bits_that_nothing_is_measured_into_are_zero(backend: str) -> None:
    steps = [gate("X", 1), gate("MEASURE", 1, bit=2)]
    wide = CircuitDefinition.of_gates(30, steps, [("low", 2), ("high", 98)])
    assert counts(wide, backend, shots=5) == {"0" * 97 + "100": 5}
    assert counts(CircuitDefinition.of_gates(2, [*steps, gate("X", 1)], [("c", 3)]), backend, shots=1) == {"100": 1}


@pytest.mark.parametrize("backend", STATEVECTORS)
def test_a_circuit_that_only_measures_finds_zeros(backend: str) -> None:
    measured = CircuitDefinition.of_gates(3, [gate("MEASURE", 2, bit=0)], [("c", 2)])
    assert counts(measured, backend, shots=7) == {"00": 7}


@pytest.mark.parametrize("backend", STATEVECTORS)
def test_what_leaves_the_state_alone_is_left_out(backend: str) -> None:
    waiting = definition_of(
        read(
            'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nx q[1];\ndelay[10ns] q[0];\nbarrier q;\nid q[0];\n'
        )
    )
    assert counts(waiting, backend, shots=5) == {"10": 5}


CONDITIONAL = definition_of(
    read(
        'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\nx q[0];\nc[0] = measure q[0];\n'
        "if (c[0]) { x q[1]; }\nc[1] = measure q[1];\n"
    )
)


@pytest.mark.parametrize("backend", IDEAL)
def test_control_flow_runs_where_the_catalogue_says_so_and_is_refused_elsewhere(backend: str) -> None:
    if backends()[backend].capabilities.supports_control_flow:
        assert counts(CONDITIONAL, backend, shots=5) == {"11": 5}
        return
    with pytest.raises(InvalidCircuitError) as caught:
        compiled(CONDITIONAL, backend)
    assert (caught.value.code, caught.value.details["operations"]) == ("UNSUPPORTED_OPERATION", ["if_else"])


# --- Parameters, seeds, sizes ---


@pytest.mark.parametrize("backend", STATEVECTORS)
def test_each_set_of_a_sweep_has_its_own_angles(backend: str) -> None:
    turned = CircuitDefinition.of_gates(2, [gate("RX", 1, theta="2*a + b")])
    sweep = compiled(turned, backend, *({"a": a, "b": 0.0} for a in (0.0, math.pi / 4, math.pi / 2)))
    none, half, whole = PROVIDER.execute(
        sweep, backend=backends()[backend], experiment=Experiment(), shots=4_000, seed=1, noise=False
    ).counts
    assert (none, whole) == ({"00": 4_000}, {"10": 4_000})
    assert abs(half["10"] / 4_000 - 0.5) < 0.05


@pytest.mark.parametrize("backend", STATEVECTORS)
def test_an_observable_has_its_expectation_value(backend: str) -> None:
    definition = CircuitDefinition.of_gates(3, [gate("RY", 0, theta=0.7), gate("CNOT", 0, 1), gate("H", 2)])
    terms = {"IZZ": 1.0, "IXX": 0.5, "XII": -2.0, "IIZ": 0.3}
    asked = Experiment(observables=(Observable(terms=terms),))
    info = backends()[backend]
    circuit = PROVIDER.compile(definition, backend=info, experiment=asked, seed=7, optimization_level=1)
    outcome = PROVIDER.execute(circuit, backend=info, experiment=asked, shots=20_000, seed=3, noise=False)
    exact = Statevector(circuit_of(definition)).expectation_value(SparsePauliOp.from_list(list(terms.items()))).real
    (found,) = outcome.expectations
    assert 0 < found.raw.standard_error < 0.02
    assert abs(found.raw.value - exact) < 5 * found.raw.standard_error


SPREAD = CircuitDefinition.of_gates(8, [gate("H", q) for q in range(8)])
INTERRUPTED = CircuitDefinition.of_gates(
    2,
    [
        gate("H", 0),
        gate("MEASURE", 0, bit=0),
        gate("H", 0),
        gate("H", 1),
        gate("MEASURE", 0, bit=1),
        gate("MEASURE", 1, bit=2),
    ],
    [("c", 3)],
)


@pytest.mark.parametrize("backend", IDEAL)
@pytest.mark.parametrize("definition", [SPREAD, INTERRUPTED], ids=["sampled", "interrupted"])
def test_the_same_seed_gives_the_same_counts_and_another_one_others(
    definition: CircuitDefinition, backend: str
) -> None:
    circuit = compiled(definition, backend)
    one, again, other, largest = (execute(circuit, shots=500, seed=seed).counts[0] for seed in (5, 5, 6, MAX_SEED))
    assert one == again
    assert one != other
    assert sum(largest.values()) == 500


def test_qsims_counts_do_not_depend_on_its_threads() -> None:
    wide = CircuitDefinition.of_gates(18, [gate("U", q, theta=q, phi=0.3, lam=0.1) for q in range(18)])
    circuit = compiled(wide, "qsim")
    one, four = (
        execute(circuit, shots=500, provider=QuantumProviders({"qsim": partial(QsimEngine, threads=threads)}))
        for threads in (1, 4)
    )
    assert one.counts == four.counts


@pytest.mark.parametrize(
    ("backend", "engine", "needed"),
    [("qsim", QsimEngine, 269), ("lightning", LightningEngine, 806), ("cuquantum", CuQuantumEngine, 537)],
)
def test_what_does_not_fit_into_memory_is_refused_with_both_numbers(backend: str, engine: Any, needed: int) -> None:
    device = {"device": "CPU"} if backend == "cuquantum" else {}
    circuit = compiled(CircuitDefinition.of_gates(25, [gate("H", q) for q in range(25)]), backend)
    with pytest.raises(ExecutionError) as caught:
        execute(circuit, shots=10, provider=QuantumProviders({backend: lambda: engine(needed - 1, **device)}))
    assert caught.value.code == "INSUFFICIENT_MEMORY"
    assert (caught.value.details["needed_mb"], caught.value.details["available_mb"]) == (needed, needed - 1)


def test_lightning_counts_the_states_that_it_keeps_at_measurements() -> None:
    steps = [gate("H", q) for q in range(20)] + [gate("MEASURE", 0, bit=q) for q in range(4)]
    circuit = compiled(CircuitDefinition.of_gates(20, [*steps, gate("MEASURE", 1, bit=4)], [("c", 5)]), "lightning")
    provider = QuantumProviders({"lightning": partial(LightningEngine, 50)})
    with pytest.raises(ExecutionError) as caught:
        execute(circuit, shots=10, provider=provider)
    assert caught.value.details["needed_mb"] == math.ceil((24 + 24 + 3 * 16) * 2**20 / 1e6)


@pytest.mark.parametrize("backend", STATEVECTORS)
def test_only_the_qubits_that_a_circuit_touches_take_memory(backend: str) -> None:
    definition = CircuitDefinition.of_gates(30, [gate("X", 29), gate("MEASURE", 29, bit=0)], [("c", 1)])
    assert counts(definition, backend, shots=5) == {"1": 5}


# --- GPUs ---


def test_without_a_gpu_cuquantum_says_so() -> None:
    circuit = compiled(SPREAD, "cuquantum")
    with pytest.raises(ExecutionError) as caught:
        execute(circuit, shots=10, provider=QuantumProviders({"cuquantum": partial(CuQuantumEngine, device="NPU")}))
    assert caught.value.code == "NO_GPU"


@pytest.mark.skipif(
    "GPU" not in AerSimulator().available_devices(), reason="Aer finds no GPU here, or is not built for one"
)
def test_on_a_gpu_cuquantum_gives_what_it_gives_on_a_processor() -> None:
    provider = QuantumProviders({"cuquantum": CuQuantumEngine})

    def on_gpu(circuits: Sequence[CircuitDefinition], shots: int) -> list[Counts]:
        return [execute(compiled(each, "cuquantum"), shots=shots, provider=provider).counts[0] for each in circuits]

    check_certain(on_gpu)
    check_random(on_gpu)


def test_lightning_stays_on_the_processor_where_its_gpu_build_is_missing() -> None:
    provider = QuantumProviders({"lightning": partial(LightningEngine, gpu=True)})
    outcome = execute(compiled(SPREAD, "lightning"), shots=10, provider=provider)
    assert outcome.method in ("lightning.qubit", "lightning.gpu")


# --- Provenance ---


@pytest.mark.parametrize(
    ("backend", "method", "packages"),
    [
        ("qsim", "qsim", {"qsimcirq", "cirq-core"}),
        ("lightning", "lightning.qubit", {"pennylane", "pennylane-lightning"}),
        ("cuquantum", "statevector", {"qiskit-aer"}),
    ],
)
def test_an_outcome_says_what_simulated(backend: str, method: str, packages: set[str]) -> None:
    outcome = execute(compiled(SPREAD, backend), shots=10)
    assert outcome.method == method
    assert packages <= set(outcome.sdk)


def test_a_worker_imports_no_simulator_before_its_first_circuit() -> None:
    program = (
        "import sys\nfrom ketbase.runtime import wiring\nwiring.provider()\n"
        "assert not {'qiskit_aer', 'qsimcirq', 'cirq', 'pennylane'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
