"""What an experiment executes: sweeps, bases, folds and calibrations, from the request to the values."""

import math
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import CouplingMap, Target

from ketbase.backends.catalog import backends
from ketbase.backends.circuit_count import CircuitCount
from ketbase.backends.experiments import Experiment, Variant
from ketbase.circuits.types import CircuitDefinition
from ketbase.errors import InvalidCircuitError
from ketbase.quantum import devices
from ketbase.quantum.build import circuit_of
from ketbase.quantum.compilation import compiled
from ketbase.quantum.describe import definition_of
from ketbase.quantum.experiments.evaluation import evaluate
from ketbase.quantum.experiments.folding import FOLDED
from ketbase.quantum.machines import Machine
from ketbase.quantum.openqasm3 import read
from ketbase.quantum.programs import from_bytes, restricted, touched
from ketbase.quantum.providers import QuantumProviders
from ketbase.quantum.simulators import AerEngine
from tests.conformance import gate, random_circuits

from .circuits import definitions

AER = AerEngine()
PROVIDER = QuantumProviders({"aer": lambda: AER})
CERTAIN = 10**9
"""So many shots that what is left of chance is what rounding leaves."""
DEVICES = ("fake_fez", "fake_kyiv")


def machine(backend="aer"):
    return AER.machine(backends()[backend])


def of(n, *gates, registers=()):
    return CircuitDefinition.of_gates(n, gates, registers)


def experiment(*observables, parameters=({},), **mitigation):
    return Experiment.model_validate(
        {
            "parameters": parameters,
            "observables": [{"terms": terms} for terms in observables],
            "mitigation": mitigation,
        }
    )


def compile_for(definition, asked, on=None, *, level=2, seed=7):
    return compiled(definition, on or machine(), asked, seed=seed, optimization_level=level)


def certain_counts(circuit):
    """What a compiled circuit gives without noise and, nearly, without chance; computed from its state."""
    small = restricted(circuit, touched(circuit))
    measured = {
        small.find_bit(step.qubits[0]).index: small.find_bit(step.clbits[0]).index
        for step in small.data
        if step.name == "measure"
    }
    small.remove_final_measurements()
    counts = {}
    for bits, share in Statevector(small).probabilities_dict().items():
        outcome = ["0"] * circuit.num_clbits
        for qubit, clbit in measured.items():
            outcome[-1 - clbit] = bits[-1 - qubit]
        key = "".join(outcome)
        counts[key] = counts.get(key, 0) + share
    return {bits: round(share * CERTAIN) for bits, share in counts.items() if round(share * CERTAIN)}


def certain_values(program, asked):
    return evaluate(program.variants, [certain_counts(each) for each in from_bytes(program.program)], asked)


def exact(definition, terms, values=None):
    circuit = circuit_of(definition)
    circuit.remove_final_measurements()
    if values:
        circuit = circuit.assign_parameters(values)
    return float(Statevector(circuit).expectation_value(SparsePauliOp.from_list(list(terms.items()))).real)


paulis = st.dictionaries(st.text("IXYZ", min_size=3, max_size=3), st.floats(-3, 3), min_size=1, max_size=5).filter(
    lambda terms: set(terms) != {"III"}
)

# --- Observables ---


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    definition=definitions(n_qubits=3, max_gates=10),
    observables=st.lists(paulis, min_size=1, max_size=2),
    backend=st.sampled_from(["aer", *DEVICES]),
    level=st.integers(0, 3),
)
def test_observables_are_measured_where_the_compiler_left_the_qubits(definition, observables, backend, level):
    asked = experiment(*observables)
    program = compile_for(definition, asked, machine(backend), level=level)
    for terms, value in zip(observables, certain_values(program, asked), strict=True):
        assert value.raw.value == pytest.approx(exact(definition, terms), abs=1e-6)


@pytest.mark.parametrize("backend", ["aer", *DEVICES])
@pytest.mark.parametrize("level", range(4))
def test_qubits_that_the_circuit_only_swaps_are_found_again(backend, level):
    definition = of(4, gate("X", 0), gate("SWAP", 0, 1), gate("SWAP", 1, 3), gate("RY", 2, theta=0.5))
    terms = [{"ZIII": 1.0}, {"IIIZ": 1.0}, {"IZII": 1.0}, {"IXII": 1.0}]
    asked = experiment(*terms)
    values = certain_values(compile_for(definition, asked, machine(backend), level=level), asked)
    expected = [-1, 1, math.cos(0.5), math.sin(0.5)]
    assert [value.raw.value for value in values] == pytest.approx(expected, abs=1e-6)


def test_each_basis_measures_only_what_it_needs_and_bit_i_is_qubit_i():
    definition = of(3, gate("X", 1))
    program = compile_for(definition, experiment({"IZI": 1, "XII": 1}), machine("fake_fez"))
    assert program.registers == (("meas", 3),)
    assert program.variants == (Variant(basis="XZI"),)
    (circuit,) = from_bytes(program.program)
    bits = [circuit.find_bit(step.clbits[0]).index for step in circuit.data if step.name == "measure"]
    assert sorted(bits) == [1, 2]


def test_the_circuits_own_measurements_give_way_to_the_observables():
    measured = of(2, gate("H", 0), gate("MEASURE", 0, bit=0), gate("MEASURE", 1, bit=1), registers=(("c", 2),))
    asked = experiment({"IX": 1}, {"ZI": 1})
    for backend in ("aer", "fake_fez"):
        program = compile_for(measured, asked, machine(backend))
        assert program.registers == (("meas", 2),)
        assert [value.raw.value for value in certain_values(program, asked)] == pytest.approx([1, 1], abs=1e-6)


@pytest.mark.parametrize(
    "basis",
    [["rz", "sx", "x", "cx"], ["rx", "ry", "rz", "cz"], ["u", "cx"], ["h", "s", "sdg", "x", "t", "rz", "cx"]],
    ids="-".join,
)
def test_bases_are_turned_in_the_machines_own_gates(basis):
    target = Target.from_configuration([*basis, "measure"], num_qubits=4, coupling_map=CouplingMap.from_line(4))
    asked = experiment({"XYZ": 1, "IZX": 0.5}, readout=True)
    line = Machine("line", 4, frozenset(target.operation_names), (target,))
    program = compile_for(random_circuits(1, n_qubits=3, depth=2)[0], asked, line)
    for circuit in from_bytes(program.program):
        for step in circuit.data:
            qubits = tuple(circuit.find_bit(qubit).index for qubit in step.qubits)
            assert target.instruction_supported(step.name, qubits, parameters=step.params)


def test_what_a_machine_applies_at_last_is_applied_to_every_circuit():
    def marked(circuit):
        circuit.name = "finished"
        return circuit

    on = Machine("m", 5, machine().operations, finish=marked)
    program = compile_for(of(1, gate("H", 0)), experiment({"X": 1, "Z": 1}, readout=True), on)
    assert [circuit.name for circuit in from_bytes(program.program)] == ["finished"] * 4


MIDWAY = of(1, gate("MEASURE", 0, bit=0), gate("H", 0), registers=(("c", 1),))
RESET = of(1, gate("RESET", 0))
CONDITIONAL = definition_of(
    read('OPENQASM 3.0; include "stdgates.inc"; qubit[1] q; bit c; c = measure q[0]; if (c) { x q[0]; }')
)


@pytest.mark.parametrize(
    ("definition", "terms", "code", "said"),
    [
        (MIDWAY, {"Z": 1}, "UNSUPPORTED_OPERATION", "mid circuit measurement"),
        (RESET, {"Z": 1}, "UNSUPPORTED_OPERATION", "reset"),
        (CONDITIONAL, {"Z": 1}, "UNSUPPORTED_OPERATION", "control flow"),
        (of(2, gate("H", 0)), {"ZZZ": 1}, "INVALID_OBSERVABLE", "3 letters, but the circuit has 2 qubits"),
        (of(2, gate("H", 0)), {"II": 1}, "INVALID_OBSERVABLE", "nothing but the identity"),
    ],
)
def test_observables_that_cannot_be_measured_are_refused(definition, terms, code, said):
    with pytest.raises(InvalidCircuitError, match=said) as refused:
        compile_for(definition, experiment(terms))
    assert refused.value.code == code


def test_mitigation_needs_observables():
    with pytest.raises(InvalidCircuitError) as refused:
        compile_for(of(1, gate("H", 0)), experiment(readout=True))
    assert refused.value.code == "MITIGATION_WITHOUT_OBSERVABLES"


# --- Sweeps ---

ANSATZ = of(
    2,
    gate("RY", 0, theta="2*theta_0 + pi/3"),
    gate("CRX", 0, 1, theta="theta_0 * theta_1"),
    gate("RZ", 0, theta="sin(theta_1)"),
    gate("CP", 1, 0, lam="theta_0 - theta_1"),
    gate("H", 0),
)
SETS = [{"theta_0": 0.3 * k, "theta_1": 1.0 - k} for k in range(5)]


@pytest.mark.parametrize("backend", ["aer", *DEVICES])
@pytest.mark.parametrize("level", [0, 2, 3])
def test_a_sweep_binds_each_set_to_the_circuit_that_was_compiled_once(backend, level):
    terms = {"XZ": 1.0, "ZI": -0.5, "YY": 0.25}
    asked = experiment(terms, parameters=SETS)
    program = compile_for(ANSATZ, asked, machine(backend), level=level)
    values = certain_values(program, asked)
    assert [value.parameters for value in values] == list(range(5))
    expected = [exact(ANSATZ, terms, values) for values in SETS]
    assert [value.raw.value for value in values] == pytest.approx(expected, abs=1e-6)


def test_a_sweep_without_observables_counts_each_set():
    definition = of(1, gate("RX", 0, theta="pi * x"))
    asked = experiment(parameters=[{"x": 0}, {"x": 1}, {"x": 2}])
    program = PROVIDER.compile(
        definition, backend=backends()["aer"], experiment=asked, seed=1, optimization_level=1
    )
    outcome = PROVIDER.execute(program, backend=backends()["aer"], experiment=asked, shots=10, seed=1, noise=True)
    assert outcome.counts == ({"0": 10}, {"1": 10}, {"0": 10})
    assert outcome.expectations == ()


@pytest.mark.parametrize(
    ("angle", "sets", "code", "said"),
    [
        ("1/x", [{"x": 1.0}, {}], "UNBOUND_PARAMETERS", r"set 1 \(counted from 0\)"),
        ("1/x", [{"x": 1.0}, {"x": 1.0, "y": 2.0}], "UNKNOWN_PARAMETERS", r"no parameters y of set 1"),
        ("1/x", [{"x": 1.0}, {"x": 0.0}], "INVALID_PARAMETER", "with x = 0.0"),
        ("exp(x)", [{"x": 1.0}, {"x": 1000.0}], "INVALID_PARAMETER", "with x = 1000.0"),
        ("asin(x)", [{"x": 1.0}, {"x": 2.0}], "INVALID_PARAMETER", "with x = 2.0"),
        ("log(x)", [{"x": 1.0}, {"x": -1.0}], "INVALID_PARAMETER", "with x = -1.0"),
    ],
)
@pytest.mark.parametrize("backend", ["aer", "fake_fez"])
def test_the_set_that_does_not_fit_is_named(angle, sets, code, said, backend):
    with pytest.raises(InvalidCircuitError, match=said) as refused:
        compile_for(of(1, gate("RX", 0, theta=angle)), experiment(parameters=sets), machine(backend))
    assert refused.value.code == code


def test_loops_and_conditions_are_swept_too():
    text = (
        'OPENQASM 3.0; include "stdgates.inc"; input float[64] a; qubit[2] q; bit[2] c;'
        "rx(a) q[0]; c[0] = measure q[0]; if (c[0]) { rx(2*a) q[1]; } c[1] = measure q[1];"
    )
    asked = experiment(parameters=[{"a": 0.0}, {"a": math.pi}])
    program = compile_for(definition_of(read(text)), asked)
    assert len(from_bytes(program.program)) == 2


def test_a_thousand_sets_of_a_middling_circuit_compile_in_seconds():
    n = 8
    gates = [gate("RY", q, theta=f"t_{layer * n + q}") for layer in range(5) for q in range(n)]
    gates += [gate("CZ", q, q + 1) for _ in range(5) for q in range(n - 1)]
    asked = experiment(parameters=[{f"t_{k}": 0.01 * k * s for k in range(40)} for s in range(1_000)])
    began = time.perf_counter()
    program = compile_for(of(n, *gates), asked, machine("fake_fez"))
    assert time.perf_counter() - began < 15
    assert len(program.variants) == 1_000


def test_more_operations_than_there_is_room_for_are_refused_with_their_number():
    gates = [gate("RX", 0, theta="a"), gate("RY", 0, theta="a")] * 2_500
    with pytest.raises(InvalidCircuitError, match=r"5,00\d,000 operations") as refused:
        compile_for(of(1, *gates), experiment(parameters=[{"a": 0.1}] * 1_000))
    assert refused.value.code == "TOO_MANY_CIRCUITS"


# --- Mitigation ---


def operations(circuit, *names):
    return sum(step.name in names for step in circuit.data)


@pytest.mark.parametrize("backend", ["aer", *DEVICES])
def test_folds_multiply_the_two_qubit_gates_and_change_nothing_else(backend):
    definition = random_circuits(1, n_qubits=3, depth=3)[0]
    asked = experiment({"XYZ": 1.0, "ZIX": 0.5}, zne={"scales": [1, 3, 7]})
    program = compile_for(definition, asked, machine(backend))
    assert [variant.scale for variant in program.variants] == [1, 1, 3, 3, 7, 7]
    circuits = from_bytes(program.program)
    twos = [operations(circuit, *FOLDED) for circuit in circuits]
    assert twos == [twos[0]] * 2 + [3 * twos[0]] * 2 + [7 * twos[0]] * 2
    assert twos[0] > 0
    others = {tuple(step.name for step in circuit.data if len(step.qubits) == 1) for circuit in circuits[::2]}
    assert len({len(names) for names in others}) == 1
    (value,) = certain_values(program, asked)
    expected = exact(definition, {"XYZ": 1.0, "ZIX": 0.5})
    assert [value.scaled[scale].value for scale in (1, 3, 7)] == pytest.approx([expected] * 3, abs=1e-6)
    assert value.mitigated.value == pytest.approx(expected, abs=1e-5)


def test_folds_of_a_sweep_are_made_before_its_values_are_known():
    asked = experiment({"XZ": 1.0}, parameters=SETS, zne={"scales": [1, 3]})
    program = compile_for(ANSATZ, asked, machine("fake_fez"))
    values = certain_values(program, asked)
    assert [value.mitigated.value for value in values] == pytest.approx(
        [exact(ANSATZ, {"XZ": 1.0}, each) for each in SETS], abs=1e-5
    )


def fractional():
    """A machine whose rotation about ZZ only goes a quarter turn, so that it cannot be undone by itself."""
    names = get_standard_gate_name_mapping()
    target = Target(num_qubits=2)
    for name in ("rz", "sx", "x", "measure"):
        target.add_instruction(names[name], {(0,): None, (1,): None})
    for name in ("cz", "rzz"):
        target.add_instruction(names[name], {(0, 1): None, (1, 0): None})
    return target


@pytest.mark.parametrize("estimates", [False, True])
def test_gates_that_cannot_be_folded_are_not_compiled_to(estimates):
    target = fractional()
    on = Machine("m", 2, frozenset(target.operation_names), (target,), estimates=estimates)
    definition = of(2, gate("H", 0), gate("H", 1), gate("RZZ", 0, 1, theta=0.3))
    plain, folds = (
        compile_for(definition, experiment({"XX": 1}, **mitigation), on)
        for mitigation in ({}, {"zne": {"scales": [1, 3]}})
    )
    assert "rzz" in plain.gate_counts
    assert "rzz" not in folds.gate_counts
    assert folds.sdk["qiskit-mitigation"]


def test_a_machine_without_a_gate_to_fold_says_so():
    target = Target.from_configuration(["rz", "rx", "iswap", "measure"], num_qubits=2)
    on = Machine("m", 2, frozenset(target.operation_names), (target,))
    with pytest.raises(InvalidCircuitError, match="no two-qubit gate to fold") as refused:
        compile_for(of(2, gate("CZ", 0, 1)), experiment({"XX": 1}, zne={"scales": [1, 3]}), on)
    assert refused.value.code == "UNSUPPORTED_OPERATION"


def test_where_the_provider_would_take_folds_out_none_are_made():
    on = Machine("m", 2, machine().operations, compiles_again=True)
    with pytest.raises(InvalidCircuitError, match="takes folds out"):
        compile_for(of(2, gate("CZ", 0, 1)), experiment({"XX": 1}, zne={"scales": [1, 3]}), on)
    assert compile_for(of(2, gate("CZ", 0, 1)), experiment({"XX": 1}, readout=True), on)


@pytest.mark.parametrize("backend", ["aer", *DEVICES])
def test_two_circuits_calibrate_the_readout_of_the_qubits_in_use(backend):
    definition = of(4, gate("H", 0), gate("CNOT", 0, 2))
    program = compile_for(definition, experiment({"IZIX": 1}, readout=True), machine(backend))
    assert program.variants == (Variant(basis="IZIX"), Variant(prepared=0), Variant(prepared=1))
    circuit, *calibrating = from_bytes(program.program)
    assert [certain_counts(each) for each in calibrating] == [{"0000": CERTAIN}, {"0101": CERTAIN}]
    where = {bits(circuit), *map(bits, calibrating)}
    assert len(where) == 1


def bits(circuit):
    return tuple(
        sorted(
            (circuit.find_bit(step.clbits[0]).index, circuit.find_bit(step.qubits[0]).index)
            for step in circuit.data
            if step.name == "measure"
        )
    )


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    observables=st.lists(paulis, min_size=1, max_size=3),
    sets=st.integers(1, 4),
    readout=st.booleans(),
    zne=st.sampled_from([None, {"scales": (1, 3)}, {"scales": (1, 3, 5)}]),
)
def test_as_many_circuits_are_made_as_were_counted_before(observables, sets, readout, zne):
    parameters = [{"a": 0.1 * number} for number in range(sets)]
    asked = experiment(*observables, parameters=parameters, readout=readout, zne=zne)
    program = compile_for(of(3, gate("RX", 0, theta="a"), gate("CZ", 0, 1)), asked)
    count = CircuitCount.of(asked, backends()["aer"])
    assert count.total == len(program.variants) == len(from_bytes(program.program))


# --- Machines that estimate observables themselves ---


def test_a_machine_that_estimates_gets_the_circuit_with_each_set_and_where_its_qubits_went():
    target = devices.usable("fake_fez")
    on = Machine("m", 156, frozenset(target.operation_names), (target,), estimates=True)
    asked = experiment({"XZ": 1.0}, parameters=SETS, readout=True, zne={"scales": [1, 3]})
    program = compile_for(ANSATZ, asked, on)
    assert program.variants == tuple(Variant(parameters=number) for number in range(5))
    for circuit, values in zip(from_bytes(program.program), SETS, strict=True):
        assert not operations(circuit, "measure")
        assert not circuit.parameters
        observable = SparsePauliOp("XZ").apply_layout(circuit.layout)
        found = [observable.paulis[0].z[q] or observable.paulis[0].x[q] for q in range(156)]
        where = list(np.flatnonzero(found))
        small = restricted(circuit, where)
        value = Statevector(small).expectation_value(observable.paulis[0][where])
        assert value.real == pytest.approx(exact(ANSATZ, {"XZ": 1.0}, values), abs=1e-9)


# --- With a simulator ---


def values_of(definition, asked, backend, *, shots=4_000, seed=1, noise=True):
    info = backends()[backend]
    program = PROVIDER.compile(definition, backend=info, experiment=asked, seed=seed, optimization_level=2)
    outcome = PROVIDER.execute(program, backend=info, experiment=asked, shots=shots, seed=seed, noise=noise)
    assert outcome.counts == ()
    return outcome.expectations


@pytest.mark.parametrize("backend", ["aer", "fake_fez"])
def test_values_of_simulated_shots_are_within_four_standard_errors(backend):
    terms = [{"XXIIZ": 0.5, "IZZII": -1.0, "YIIIY": 0.25}, {"IIIXX": 1.0}]
    for definition in random_circuits(6, depth=3):
        for number, value in enumerate(values_of(definition, experiment(*terms), backend, noise=False)):
            off = value.raw.value - exact(definition, terms[number])
            assert abs(off) < 4 * value.raw.standard_error


def ghz(n):
    return of(n, gate("H", 0), *(gate("CNOT", q, q + 1) for q in range(n - 1)))


def test_mended_values_of_a_noisy_device_are_nearer_to_the_exact_ones():
    asked = experiment({"XXXX": 1.0}, {"ZIIZ": 1.0}, readout=True, zne={"scales": [1, 3, 5]})
    for value in values_of(ghz(4), asked, "fake_kyiv", shots=20_000):
        assert value.raw.value < 0.97
        assert abs(value.mitigated.value - 1) < abs(value.raw.value - 1) / 2
        assert value.mitigated.standard_error > value.raw.standard_error


def test_the_same_seed_gives_the_same_values():
    asked = experiment({"XX": 1.0, "ZZ": 0.5}, readout=True)
    first, again, other = (values_of(ghz(2), asked, "fake_fez", seed=seed) for seed in (3, 3, 4))
    assert first == again != other
