import math
import tracemalloc
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketbase.backends.catalog import backends
from ketbase.circuits.gates import GATES
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.models.types import Head
from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import plan
from ketbase.quantum.providers import QuantumProviders
from ketbase.quantum.simulators import AerEngine
from ketbase.quantum.training.gradients import Exact, simultaneous
from ketbase.quantum.training.heads import Classification
from ketbase.quantum.training.inputs import Inputs
from ketbase.quantum.training.runners import Drawn, Runner
from ketbase.quantum.training.shifts import Shifted

N_QUBITS = 3
TURNING = [name for name, kind in GATES.items() if kind.angles]
FORMULAS = ["theta_0", "theta_1", "2*theta_0 - x_0", "theta_0*theta_1", "sin(theta_1)*x_1 + 0.3", "x_1", "0.4"]
PARAMETERS, FEATURES = ("theta_0", "theta_1"), ("x_0", "x_1")
HEAD = Classification(Head(readout="expectation", loss="cross_entropy", scale=2.0), 3, N_QUBITS)
PROVIDER = QuantumProviders({"aer": AerEngine})


class EndlessShots:
    """Gives the probabilities themselves as counts."""

    spent = None

    def __init__(self) -> None:
        self.circuits = 0

    def counts(
        self, definition: CircuitDefinition, bindings: Iterable[Mapping[str, float]]
    ) -> Iterator[dict[str, float]]:
        engine = Engine(plan(definition, ()), Observables.of_probabilities(N_QUBITS, range(N_QUBITS)))
        for binding in bindings:
            self.circuits += 1
            point = np.array([binding[name] for name in definition.inputs])
            chances = engine.outputs(point, np.zeros((1, 0)))[0]
            yield {f"{row:0{N_QUBITS}b}": chance for row, chance in enumerate(chances)}


@st.composite
def circuits(draw: st.DrawFn) -> CircuitDefinition:
    gates = [
        Gate(type="H", targets=(0,)),
        Gate(type="CNOT", targets=(0, 1)),
        Gate(type="RX", targets=(2,), parameters={"theta": 0.7}),
    ]
    for name in draw(st.lists(st.sampled_from([*TURNING, "CNOT"]), min_size=1, max_size=6)):
        kind = GATES[name]
        targets = tuple(draw(st.permutations(range(N_QUBITS))))[: kind.qubits]
        angles = {angle: draw(st.sampled_from(FORMULAS)) for angle in kind.angles}
        gates.append(Gate(type=name, targets=targets, parameters=angles))
    for parameter in (*PARAMETERS, *FEATURES):
        gates.append(Gate(type="RY", targets=(1,), parameters={"theta": parameter}))
    gates.append(Gate(type="MEASURE", targets=(0,), clbits=(0,)))
    return CircuitDefinition.of_gates(N_QUBITS, gates, [("c", 1)])


def exact(definition: CircuitDefinition) -> Exact:
    return Exact(Engine(plan(definition, FEATURES), HEAD.observables))


def slopes(labels: np.ndarray):
    return lambda outputs, part: HEAD.slopes(outputs, labels[part])


@settings(max_examples=60, deadline=None)
@given(definition=circuits(), seed=st.integers(0, 2**31))
def test_shifts_give_the_adjoint_gradient_where_shots_are_endless(definition: CircuitDefinition, seed: int) -> None:
    dice = np.random.default_rng(seed)
    parameters, inputs = dice.uniform(-3, 3, 2), Inputs(dice.uniform(-3, 3, (3, 2)))
    labels = np.array([0, 1, 2])
    shifted = Shifted(definition, PARAMETERS, FEATURES, HEAD.observables, EndlessShots())
    outputs, gradient = shifted.gradient(parameters, inputs, slopes(labels))
    expected, adjoint = exact(definition).gradient(parameters, inputs, slopes(labels))
    assert outputs == pytest.approx(expected, abs=1e-10)
    assert gradient == pytest.approx(adjoint, abs=1e-8)


def test_only_trained_angles_are_shifted() -> None:
    gates = [
        Gate(type="RY", targets=(0,), parameters={"theta": "x_0"}),
        Gate(type="U", targets=(0,), parameters={"theta": "theta_0", "phi": "x_0", "lambda": 0.2}),
        Gate(type="CRX", targets=(0, 1), parameters={"theta": "theta_0"}),
    ]
    runner = EndlessShots()
    circuit = Shifted(CircuitDefinition.of_gates(N_QUBITS, gates), ["theta_0"], ["x_0"], HEAD.observables, runner)
    circuit.gradient(np.array([0.3]), Inputs(np.ones((5, 1))), slopes(np.zeros(5, int)))
    assert runner.circuits == 5 * (1 + 2 + 4)


class NoTime(EndlessShots):
    """Measures zeros only."""

    def counts(
        self, definition: CircuitDefinition, bindings: Iterable[Mapping[str, float]]
    ) -> Iterator[dict[str, float]]:
        return ({"0" * N_QUBITS: 1.0} for _ in bindings)


def test_shifts_take_memory_one_at_a_time() -> None:
    n_turns, n_samples = 120, 50
    gates = [
        Gate(type="RY", targets=(number % N_QUBITS,), parameters={"theta": f"{number + 1}*theta_0"})
        for number in range(n_turns)
    ]
    definition = CircuitDefinition.of_gates(N_QUBITS, gates)
    circuit = Shifted(definition, ["theta_0"], ["x_0"], HEAD.observables, NoTime())
    tracemalloc.start()
    try:
        circuit.gradient(np.array([0.3]), Inputs(np.ones((n_samples, 1))), slopes(np.zeros(n_samples, int)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * n_samples * n_turns * (1 + 2 * n_turns) / 2


def small() -> CircuitDefinition:
    gates = [Gate(type="RY", targets=(qubit,), parameters={"theta": f"x_{qubit % 2}"}) for qubit in range(N_QUBITS)]
    gates += [
        Gate(type="RX", targets=(0,), parameters={"theta": "theta_0"}),
        Gate(type="CNOT", targets=(0, 1)),
        Gate(type="CRY", targets=(1, 2), parameters={"theta": "theta_1"}),
    ]
    return CircuitDefinition.of_gates(N_QUBITS, gates)


@pytest.mark.parametrize("runner", [Runner(PROVIDER, backends()["aer"], 500), Drawn(500)], ids=["aer", "drawn"])
def test_gradients_from_shots_agree_with_exact_ones_within_their_spread(runner: Runner | Drawn) -> None:
    parameters, inputs, labels = np.array([0.4, 1.3]), Inputs(np.array([[0.5, 1.0], [2.0, 0.3]])), np.array([0, 2])
    circuit = Shifted(small(), PARAMETERS, FEATURES, HEAD.observables, runner)
    fixed = HEAD.slopes(exact(small()).outputs(parameters, inputs), labels)
    found = []
    for seed in range(12):
        circuit.begin(np.random.default_rng(seed))
        found.append(circuit.gradient(parameters, inputs, lambda _, part: fixed[part])[1])
    error = np.std(found, axis=0, ddof=1) / math.sqrt(len(found))
    _, expected = exact(small()).gradient(parameters, inputs, slopes(labels))
    assert (error > 0).all()
    assert (np.abs(np.mean(found, axis=0) - expected) < 5 * error).all()
    circuits = 12 * 2 * (1 + 2 + 4)
    assert (circuit.spent.circuits, circuit.spent.shots) == (circuits, circuits * 500)


@pytest.mark.parametrize("runner", [Runner(PROVIDER, backends()["aer"], 50), Drawn(50)], ids=["aer", "drawn"])
def test_the_same_dice_give_the_same_shots(runner: Runner | Drawn) -> None:
    circuit = Shifted(small(), PARAMETERS, FEATURES, HEAD.observables, runner)

    def once(seed: int) -> list[list[float]]:
        circuit.begin(np.random.default_rng(seed))
        return circuit.outputs(np.array([0.4, 1.3]), Inputs(np.full((4, 2), 0.8))).tolist()

    assert once(1) == once(1) != once(2)


def test_two_points_estimate_the_gradient_without_bias() -> None:
    definition, labels = small(), np.array([0, 2])
    parameters, inputs = np.array([0.4, 1.3]), Inputs(np.array([[0.5, 1.0], [2.0, 0.3]]))
    circuit = exact(definition)
    _, expected = circuit.gradient(parameters, inputs, slopes(labels))
    dice = np.random.default_rng(0)
    found = [
        simultaneous(circuit, parameters, inputs, lambda each: float(HEAD.losses(each, labels).sum()), 1e-3, dice)[
            1
        ]
        for _ in range(400)
    ]
    assert np.mean(found, axis=0) == pytest.approx(expected, abs=5 * np.std(found) / 20)
