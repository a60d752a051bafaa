"""States are computed in our bit order, and compared whatever their global phase."""

import cmath
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.circuit import QuantumCircuit
from qiskit_aer import AerSimulator

from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.errors import InvalidCircuitError
from ketbase.quantum.build import circuit_of
from ketbase.quantum.describe import definition_of
from ketbase.quantum.programs import expanded
from ketbase.quantum.sandbox import Sandbox
from ketbase.quantum.states import QiskitStates

HALF = math.sqrt(0.5)


@pytest.fixture(scope="module")
def states():
    sandbox = Sandbox()
    yield QiskitStates(sandbox)
    sandbox.close()


def circuit(n_qubits, *gates, clbits=0):
    registers = [("c", clbits)] if clbits else []
    return CircuitDefinition.of_gates(n_qubits, [Gate.model_validate(gate) for gate in gates], registers)


def measure(qubit, clbit):
    return gate("MEASURE", qubit) | {"clbits": [clbit]}


def gate(kind, *targets, **parameters):
    return {"type": kind, "targets": targets, "parameters": parameters}


def read(state):
    return np.frombuffer(state, dtype="<c16")


def random_state(seed, n_qubits):
    rng = np.random.default_rng(seed)
    amplitudes = rng.normal(size=(2**n_qubits, 2)) @ (1, 1j)
    return (amplitudes / np.linalg.norm(amplitudes)).tobytes()


# --- Computing ---


@pytest.mark.parametrize(
    ("definition", "amplitudes"),
    [
        (circuit(3, gate("X", 0)), {0b001: 1}),
        (circuit(3, gate("X", 0), gate("CNOT", 0, 1)), {0b011: 1}),
        (circuit(2, gate("H", 0), gate("CNOT", 0, 1)), {0b00: HALF, 0b11: HALF}),
        (circuit(2, gate("H", 1)), {0b00: HALF, 0b10: HALF}),
        (circuit(1, gate("H", 0), gate("S", 0)), {0: HALF, 1: HALF * 1j}),
        (circuit(1, gate("ID", 0)), {0: 1}),
    ],
)
def test_qubit_0_is_the_least_significant_bit_of_an_amplitudes_number(states, definition, amplitudes):
    found = read(states.compute(definition, {}))
    expected = [amplitudes.get(number, 0) for number in range(2**definition.n_qubits)]
    assert found == pytest.approx(np.array(expected), abs=1e-15)


def test_parameters_are_radians_by_name(states):
    definition = circuit(1, gate("RY", 0, theta="2*a + b"))
    found = read(states.compute(definition, {"a": 0.25, "b": 0.5}))
    assert found == pytest.approx([math.cos(0.5), math.sin(0.5)])


def test_measurements_at_the_end_and_barriers_leave_the_state_as_it_is(states):
    bare = circuit(2, gate("H", 0), gate("CNOT", 0, 1))
    measured = circuit(
        2,
        gate("H", 0),
        gate("BARRIER", 0, 1),
        gate("CNOT", 0, 1),
        measure(1, 0),
        gate("BARRIER", 0, 1),
        measure(0, 1),
        clbits=2,
    )
    assert states.compute(measured, {}) == states.compute(bare, {})


def test_a_circuit_kept_as_text_for_its_timing_has_a_state(states):
    timed = QuantumCircuit(2)
    timed.h(0)
    timed.delay(100, 0, unit="ns")
    timed.cx(0, 1)
    definition = definition_of(timed)
    assert definition.format == "openqasm3"
    assert states.compute(definition, {}) == states.compute(circuit(2, gate("H", 0), gate("CNOT", 0, 1)), {})


@pytest.mark.parametrize("seed", range(8))
def test_another_simulator_computes_the_same_state(states, seed):
    chance = random.Random(seed)
    n_qubits = chance.randint(2, 10)
    gates = []
    for _ in range(60):
        kind = chance.choice(["H", "T", "SX", "RX", "RZ", "CNOT", "CRY", "RZZ", "ISWAP", "ECR", "SWAP"])
        size = 1 if kind in ("H", "T", "SX", "RX", "RZ") else 2
        angle = {"theta": chance.uniform(-4, 4)} if kind.startswith(("R", "CR")) else {}
        gates.append(gate(kind, *chance.sample(range(n_qubits), size), **angle))
    definition = circuit(n_qubits, *gates)
    other = expanded(circuit_of(definition), AerSimulator(method="statevector").operation_names)
    other.save_statevector()
    expected = np.asarray(AerSimulator(method="statevector").run(other).result().get_statevector())
    found = read(states.compute(definition, {}))
    assert abs(np.vdot(expected, found)) == pytest.approx(1, abs=1e-12)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-15)


def test_the_largest_circuit_there_is_is_computed_within_the_limits(states):
    chance = random.Random(1)
    kinds = {"U": 1, "CCX": 3, "RXX": 2, "CSWAP": 3, "H": 1}
    angles = {"U": {"theta": 0.1, "phi": "a / 3", "lambda": 0.3}, "RXX": {"theta": "a * 2"}}
    drawn = [chance.choice(sorted(kinds)) for _ in range(10_000)]
    gates = [gate(kind, *chance.sample(range(10), kinds[kind]), **angles.get(kind, {})) for kind in drawn]
    found = read(states.compute(circuit(10, *gates), {"a": 0.7}))
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    "definition",
    [
        circuit(1, gate("H", 0), gate("RESET", 0)),
        circuit(1, gate("H", 0), measure(0, 0), gate("H", 0), clbits=1),
        circuit(1, gate("H", 0), measure(0, 0), measure(0, 0), clbits=1),
    ],
)
def test_what_draws_an_outcome_on_the_way_is_refused(states, definition):
    with pytest.raises(InvalidCircuitError) as raised:
        states.compute(definition, {})
    assert raised.value.code == "UNSUPPORTED_OPERATION"


def test_an_angle_without_a_value_is_refused(states):
    with pytest.raises(InvalidCircuitError) as raised:
        states.compute(circuit(1, gate("RX", 0, theta="1 / a")), {"a": 0.0})
    assert raised.value.code == "INVALID_PARAMETER"


# --- Comparing ---

SIZES = st.integers(1, 10)
SEEDS = st.integers(0, 2**32)
PHASES = st.floats(-math.pi, math.pi)


@given(SEEDS, SEEDS, st.integers(1, 6), st.sampled_from([2, 4, 8, 16, 32]))
@settings(deadline=None)
def test_the_best_rotation_keeps_what_the_bound_says_of_any_overlap(one, other, n_qubits, rotations):
    states = QiskitStates()
    first, second = random_state(one, n_qubits), random_state(other, n_qubits)
    ((plain,), turned) = states.rotated(second, 1), np.array(states.rotated(first, rotations))
    best = (turned @ np.array(plain)).max()
    overlap = abs(np.vdot(read(first), read(second)))
    assert overlap * math.cos(math.pi / rotations) - 1e-12 <= best <= overlap + 1e-12


@given(SEEDS, SIZES, st.integers(1, 40))
@settings(deadline=None)
def test_a_rotated_state_is_its_real_parts_and_then_its_imaginary_parts(seed, n_qubits, rotations):
    state = random_state(seed, n_qubits)
    written = QiskitStates().rotated(state, rotations)
    assert len(written) == rotations
    half = 2**n_qubits
    assert written[0] == [*read(state).real, *read(state).imag]
    for number, numbers in enumerate(written):
        turned = np.array(numbers[:half]) + 1j * np.array(numbers[half:])
        assert turned == pytest.approx(read(state) * cmath.exp(2j * math.pi * number / rotations), abs=1e-12)


@given(SEEDS, SIZES, PHASES)
@settings(deadline=None)
def test_a_copy_under_any_phase_has_fidelity_one_and_that_phase(seed, n_qubits, phase):
    state = random_state(seed, n_qubits)
    copy = (read(state) * cmath.exp(1j * phase)).tobytes()
    ((fidelity, found),) = QiskitStates().overlaps(state, [copy])
    assert fidelity == pytest.approx(1, abs=1e-12)
    assert fidelity <= 1
    assert cmath.exp(1j * found) == pytest.approx(cmath.exp(1j * phase), abs=1e-9)


def test_overlaps_are_those_of_quantum_mechanics():
    zero, one, plus, circular = (
        np.array(each, dtype="<c16").tobytes() for each in ([1, 0], [0, 1], [HALF, HALF], [HALF, HALF * 1j])
    )
    found = QiskitStates().overlaps(plus, [zero, one, plus, circular])
    assert [fidelity for fidelity, _ in found] == pytest.approx([0.5, 0.5, 1, 0.5])
    assert found[3].phase == pytest.approx(math.pi / 4)
    assert QiskitStates().overlaps(zero, [one])[0].fidelity == 0
    assert QiskitStates().overlaps(zero, []) == []
