"""The batched engine's states and outputs are Qiskit's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import SparsePauliOp, Statevector

from ketbase.circuits.gates import GATES
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import plan
from tests.unit.quantum.batched.circuits import (
    FEATURES,
    observables,
    qiskits_state,
    random_states,
    trainable,
)
from tests.unit.quantum.circuits import UNITARY_GATES

ANY = Observables.of_paulis(3, [{"IIZ": 1.0}])
NOTHING = np.zeros(0)


@pytest.mark.parametrize("name", UNITARY_GATES)
def test_each_gate_turns_any_state_as_qiskits_does_phase_included(name):
    kind = GATES[name]
    angles = {angle: 0.7 + 0.4 * position for position, angle in enumerate(kind.angles)}
    gate = Gate(type=name, targets=(2, 0, 1)[: kind.qubits], parameters=angles)
    definition = CircuitDefinition.of_gates(3, [gate])
    start = random_states(np.random.default_rng(1), 5, 3)
    found = Engine(plan(definition), ANY).states(NOTHING, np.zeros((5, 0)), amplitudes=start)
    expected = [qiskits_state(definition, {}, each) for each in start]
    np.testing.assert_allclose(found, expected, atol=1e-14)


@settings(max_examples=100, deadline=None)
@given(definition=trainable(n_qubits=4), seed=st.integers(0, 2**32 - 1))
def test_each_sample_of_a_batch_has_the_state_that_qiskit_gives(definition, seed):
    random = np.random.default_rng(seed)
    ready = plan(definition, FEATURES)
    parameters = random.uniform(-1, 1, len(ready.angles.parameters))
    features = random.uniform(-1, 1, (3, 2))
    found = Engine(ready, Observables.of_paulis(4, [{"IIIZ": 1.0}])).states(parameters, features)
    for state, sample in zip(found, features, strict=True):
        values = dict(zip(ready.angles.parameters, parameters, strict=True)) | dict(
            zip(FEATURES, sample, strict=True)
        )
        np.testing.assert_allclose(state, qiskits_state(definition, values), atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(terms=st.dictionaries(st.text("IXYZ", min_size=3, max_size=3), st.floats(-2, 2), min_size=1, max_size=5))
def test_expectation_values_of_pauli_sums_are_qiskits(terms):
    start = random_states(np.random.default_rng(2), 4, 3)
    engine = Engine(plan(CircuitDefinition.of_gates(3, [])), Observables.of_paulis(3, [terms, {"IXI": 1.0}]))
    operator = SparsePauliOp.from_list(list(terms.items()))
    expected = [Statevector(each).expectation_value(operator).real for each in start]
    found = engine.outputs(NOTHING, np.zeros((4, 0)), amplitudes=start)
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-13)


@pytest.mark.parametrize("qubits", [(0,), (2, 0), (1, 2, 0)])
def test_probabilities_are_qiskits(qubits):
    start = random_states(np.random.default_rng(3), 4, 3)
    engine = Engine(plan(CircuitDefinition.of_gates(3, [])), Observables.of_probabilities(3, qubits))
    expected = [Statevector(each).probabilities(list(qubits)) for each in start]
    np.testing.assert_allclose(engine.outputs(NOTHING, np.zeros((4, 0)), amplitudes=start), expected, atol=1e-14)


def test_outcomes_beyond_the_last_class_count_for_another():
    start = random_states(np.random.default_rng(4), 1, 2)
    engine = Engine(plan(CircuitDefinition.of_gates(2, [])), Observables.of_probabilities(2, (0, 1), 3))
    (found,) = engine.outputs(NOTHING, np.zeros((1, 0)), amplitudes=start)
    zero, one, two, three = np.abs(start[0]) ** 2
    np.testing.assert_allclose(found, [zero + three, one, two], atol=1e-15)


@settings(max_examples=20, deadline=None)
@given(definition=trainable(), outputs=observables())
def test_single_precision_is_right_to_four_digits(definition, outputs):
    ready = plan(definition, FEATURES)
    random = np.random.default_rng(5)
    at = random.uniform(-1, 1, len(ready.angles.parameters)), random.uniform(-1, 1, (9, 2))
    double, single = (Engine(ready, outputs, precision=precision) for precision in ("complex128", "complex64"))
    assert single.states(*at).dtype == np.complex64
    np.testing.assert_allclose(single.states(*at), double.states(*at), atol=1e-5)
    np.testing.assert_allclose(single.outputs(*at), double.outputs(*at), atol=1e-4)
    found, expected = (engine.gradient(*at, lambda outputs, _: outputs)[1] for engine in (single, double))
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1, np.abs(expected).max(initial=0)))


def test_low_and_high_qubits_are_turned_alike_in_states_larger_than_a_block():
    random = np.random.default_rng(6)
    n_qubits = 13
    gates = []
    for kind, angle in (
        ("RX", 0.4),
        ("RY", 0.9),
        ("CRX", 1.3),
        ("CRY", -0.8),
        ("CP", 0.2),
        ("RX", "x_0"),
        ("CRY", "x_0"),
    ):
        for _ in range(8):
            targets = random.permutation(n_qubits)[: GATES[kind].qubits].tolist()
            gates.append(Gate(type=kind, targets=targets, parameters={GATES[kind].angles[0]: angle}))
    definition = CircuitDefinition.of_gates(n_qubits, gates)
    engine = Engine(plan(definition, ["x_0"]), Observables.of_paulis(n_qubits, [{"Z" * n_qubits: 1.0}]))
    found = engine.states(NOTHING, np.array([[0.3], [-1.1]]))
    for state, value in zip(found, (0.3, -1.1), strict=True):
        np.testing.assert_allclose(state, qiskits_state(definition, {"x_0": value}), atol=1e-13)


def test_a_batch_without_samples_has_no_outputs_and_no_gradient():
    ready = plan(CircuitDefinition.of_gates(3, [Gate(type="RX", targets=(0,), parameters={"theta": "a"})]))
    outputs, gradient = Engine(ready, ANY).gradient(np.ones(1), np.zeros((0, 0)), lambda outputs, _: outputs)
    assert outputs.shape == (0, 1)
    assert gradient.tolist() == [0.0]


def test_a_ring_of_cnots_is_one_permutation_and_all_phases_between_rotations_one_product():
    gates = []
    for layer in range(2):
        for qubit in range(4):
            gates.append(Gate(type="RY", targets=(qubit,), parameters={"theta": f"a_{layer}_{qubit}"}))
            gates.append(Gate(type="RZ", targets=(qubit,), parameters={"theta": f"b_{layer}_{qubit}"}))
        gates += [Gate(type="CNOT", targets=(qubit, (qubit + 1) % 4)) for qubit in range(4)]
    kinds = [layer.kind.__name__ for layer in plan(CircuitDefinition.of_gates(4, gates)).layers]
    assert kinds == ["Rotation", "Phase", "Permutation"] * 2
