"""The metric tensor is the Fubini–Study one."""

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.metric import metric_tensor
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import plan
from tests.unit.quantum.batched.circuits import FEATURES, finite_differences, random_states, trainable

ANY = Observables.of_paulis(3, [{"IIZ": 1.0}])


@settings(max_examples=60, deadline=None)
@given(definition=trainable(), seed=st.integers(0, 2**32 - 1), amplitude=st.booleans())
def test_the_metric_is_made_of_the_states_derivatives(definition, seed, amplitude):
    random = np.random.default_rng(seed)
    ready = plan(definition, FEATURES)
    engine = Engine(ready, ANY)
    at = random.uniform(-1, 1, len(ready.angles.parameters))
    features = random.uniform(-1, 1, (3, 2))
    start = random_states(random, 3, 3) if amplitude else None
    states = engine.states(at, features, amplitudes=start)
    derivatives = finite_differences(lambda point: engine.states(point, features, amplitudes=start), at)
    expected = np.zeros((len(at), len(at)))
    for state, slopes in zip(states, derivatives, strict=True):
        along = slopes.conj().T @ state
        expected += (slopes.conj().T @ slopes - np.outer(along, along.conj())).real / 3
    np.testing.assert_allclose(metric_tensor(ready, at, features, amplitudes=start), expected, atol=1e-8)


def test_one_turn_from_zero_has_the_metric_of_a_sphere_of_half_a_radius():
    ready = plan(
        CircuitDefinition.of_gates(
            1,
            [
                Gate(type="RY", targets=(0,), parameters={"theta": "a"}),
                Gate(type="RZ", targets=(0,), parameters={"theta": "b"}),
            ],
        )
    )
    found = metric_tensor(ready, np.array([0.7, 0.2]), np.zeros((1, 0)))
    np.testing.assert_allclose(found, np.diag([0.25, np.sin(0.7) ** 2 / 4]), atol=1e-15)


def test_ten_qubits_and_two_hundred_parameters_take_about_a_second_a_sample():
    gates = []
    for layer in range(10):
        for qubit in range(10):
            gates.append(Gate(type="RY", targets=(qubit,), parameters={"theta": f"a_{layer}_{qubit}"}))
            gates.append(Gate(type="RZ", targets=(qubit,), parameters={"theta": f"b_{layer}_{qubit}"}))
        gates += [Gate(type="CNOT", targets=(qubit, (qubit + 1) % 10)) for qubit in range(10)]
    ready = plan(CircuitDefinition.of_gates(10, gates))
    metric_tensor(plan(CircuitDefinition.of_gates(1, gates[:2])), np.zeros(2), np.zeros((1, 0)))  # compiles
    began = time.process_time()
    found = metric_tensor(ready, np.linspace(-1, 1, 200), np.zeros((1, 0)))
    assert time.process_time() - began < 3
    assert np.linalg.eigvalsh(found).min() > -1e-12
