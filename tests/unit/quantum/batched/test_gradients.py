"""The batched engine's gradients are those of finite differences and of the parameter-shift rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketbase.circuits.gates import GATES
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import plan
from tests.unit.quantum.batched.circuits import (
    FEATURES,
    finite_differences,
    observables,
    random_states,
    trainable,
)
from tests.unit.quantum.circuits import UNITARY_GATES

BATCH = 5
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=200, deadline=None)
@given(definition=trainable(), outputs=observables(), seed=SEEDS, amplitude=st.booleans())
def test_gradients_equal_finite_differences(definition, outputs, seed, amplitude):
    random = np.random.default_rng(seed)
    ready = plan(definition, FEATURES)
    engine = Engine(ready, outputs)
    at = random.uniform(-1, 1, len(ready.angles.parameters))
    features = random.uniform(-1, 1, (BATCH, 2))
    weights = random.uniform(-1, 1, (BATCH, len(outputs)))
    start = random_states(random, BATCH, 3) if amplitude else None

    def loss(parameters):
        found = engine.outputs(parameters, features, amplitudes=start)
        return np.sum(weights * found + found**2 / 2)

    found, gradient = engine.gradient(at, features, lambda some, part: weights[part] + some, amplitudes=start)
    np.testing.assert_array_equal(found, engine.outputs(at, features, amplitudes=start))
    np.testing.assert_allclose(gradient, finite_differences(loss, at), atol=1e-8)


FREQUENCIES = {"CRX": (0.5, 1.0), "CRY": (0.5, 1.0), "CRZ": (0.5, 1.0)}


def shifted(function, at, number, gate):
    """Differentiate by the parameter-shift rule: arXiv:2107.12390, equation 5 with two frequencies."""
    unit = np.eye(len(at))[number]

    def odd(shift):
        return (function(at + shift * unit) - function(at - shift * unit)) / 2

    if gate not in FREQUENCIES:
        return odd(np.pi / 2)
    root = np.sqrt(2)
    return (root + 1) / (2 * root) * odd(np.pi / 2) - (root - 1) / (2 * root) * odd(3 * np.pi / 2)


@st.composite
def with_own_parameters(draw: st.DrawFn) -> tuple[CircuitDefinition, list[str]]:
    """A circuit each of whose angles is a parameter of its own; and the gate of each parameter."""
    gates, of = [], []
    for _ in range(draw(st.integers(1, 14))):
        name = draw(st.sampled_from([*UNITARY_GATES, "CRX", "CRY", "CRZ", "CP", "U", "RXX", "RYY"]))
        targets = draw(st.permutations(range(3)))[: GATES[name].qubits]
        angles = {}
        for angle in GATES[name].angles:
            angles[angle] = f"p_{len(of):03}"
            of.append(name)
        gates.append(Gate(type=name, targets=targets, parameters=angles))
    return CircuitDefinition.of_gates(3, gates), of


@settings(max_examples=200, deadline=None)
@given(circuit=with_own_parameters(), outputs=observables(), seed=SEEDS)
def test_gradients_equal_the_parameter_shift_rule(circuit, outputs, seed):
    definition, gates = circuit
    random = np.random.default_rng(seed)
    engine = Engine(plan(definition), outputs)
    at = random.uniform(-np.pi, np.pi, len(gates))
    weights = random.uniform(-1, 1, len(outputs))
    nothing = np.zeros((1, 0))

    def weighted(parameters):
        return engine.outputs(parameters, nothing)[0] @ weights

    _, gradient = engine.gradient(at, nothing, lambda some, _: np.broadcast_to(weights, some.shape))
    expected = [shifted(weighted, at, number, gate) for number, gate in enumerate(gates)]
    np.testing.assert_allclose(gradient, expected, atol=1e-8)


@pytest.mark.parametrize("precision", ["complex64", "complex128"])
def test_all_numbers_are_the_same_bit_for_bit_whatever_the_number_of_threads(precision):
    random = np.random.default_rng(7)
    gates = []
    for layer in range(3):
        for qubit in range(9):
            gates.append(Gate(type="RY", targets=(qubit,), parameters={"theta": f"t_{layer}_{qubit} + x_0"}))
            gates.append(Gate(type="CRX", targets=(qubit, (qubit + 4) % 9), parameters={"theta": f"c_{layer}"}))
            gates.append(Gate(type="RZ", targets=(qubit,), parameters={"theta": f"t_{layer}_{qubit}"}))
            gates.append(Gate(type="CNOT", targets=(qubit, (qubit + 1) % 9)))
    ready = plan(CircuitDefinition.of_gates(9, gates), FEATURES)
    outputs = Observables.of_paulis(9, [{"Z" * 9: 1.0, "XYZ" * 3: 0.5}, {"I" * 8 + "Z": 1.0}])
    parameters, features = random.uniform(-1, 1, len(ready.angles.parameters)), random.uniform(-1, 1, (70, 2))
    answers = [
        Engine(ready, outputs, precision=precision, threads=threads).gradient(
            parameters, features, lambda some, _: some
        )
        for threads in (1, 2, 3, 5, 64)
    ]
    for found, gradient in answers[1:]:
        assert found.tobytes() == answers[0][0].tobytes()
        assert gradient.tobytes() == answers[0][1].tobytes()


def test_a_gradient_is_the_same_when_the_engine_has_done_other_work_before():
    ready = plan(
        CircuitDefinition.of_gates(2, [Gate(type="RX", targets=(0,), parameters={"theta": "a*x_0"})]), ["x_0"]
    )
    engine = Engine(ready, Observables.of_paulis(2, [{"IZ": 1.0}]))
    asked = np.array([0.4]), np.linspace(-1, 1, 40)[:, None], lambda some, _: some
    first = engine.gradient(*asked)[1]
    engine.gradient(np.array([2.0]), np.ones((7, 1)), lambda some, _: 3 * some)
    assert engine.gradient(*asked)[1].tobytes() == first.tobytes()


def test_what_slopes_raise_comes_out_of_the_gradient_from_any_thread():
    ready = plan(CircuitDefinition.of_gates(8, [Gate(type="RX", targets=(0,), parameters={"theta": "a"})]))
    engine = Engine(ready, Observables.of_paulis(8, [{"I" * 7 + "Z": 1.0}]), threads=2)

    def slopes(some, part):
        if part.start:
            raise ArithmeticError("no slopes")
        return some

    with pytest.raises(ArithmeticError, match="no slopes"):
        engine.gradient(np.ones(1), np.zeros((40, 0)), slopes)
