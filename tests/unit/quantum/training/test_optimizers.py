import math

import numpy as np
import pytest
from scipy.optimize import minimize

from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import plan
from ketbase.quantum.training import optimizers
from ketbase.quantum.training.conversations import Answer, Conversation
from ketbase.quantum.training.inputs import Inputs, Labelled
from ketbase.quantum.training.natural import natural_gradient
from ketbase.training.types import Schedule

RATE = 0.1


def walked(optimizer: str, gradients: list[list[float]], momentum: float = 0.9) -> np.ndarray:
    state, position = optimizers.begun(optimizer, len(gradients[0])), np.zeros(len(gradients[0]))
    for gradient in gradients:
        position = position + optimizers.stepped(optimizer, np.array(gradient), RATE, state, momentum)
    return position


def test_adam_goes_the_learning_rate_each_step_down_a_constant_slope() -> None:
    assert walked("adam", [[3.0, -0.02]] * 7) == pytest.approx([-7 * RATE, 7 * RATE], rel=1e-5)


def test_adam_follows_its_paper() -> None:
    first, second = [1.0], [-2.0]
    m = (0.1 * 0.9 - 0.2) / (1 - 0.9**2)
    v = (0.001 * 0.999 * 1 + 0.001 * 4) / (1 - 0.999**2)
    assert walked("adam", [first, second])[0] == pytest.approx(-RATE - RATE * m / (math.sqrt(v) + 1e-8), rel=1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_momentum_adds_up_a_geometric_series(momentum: float) -> None:
    velocities = [sum(momentum**k for k in range(step + 1)) for step in range(5)]
    assert walked("sgd", [[1.0]] * 5, momentum)[0] == pytest.approx(-RATE * sum(velocities))


def test_rmsprop_divides_by_the_root_of_the_mean_square() -> None:
    steps = [1 / (math.sqrt(1 - 0.9**step) + 1e-8 / 2) for step in range(1, 5)]
    assert walked("rmsprop", [[2.0]] * 4)[0] == pytest.approx(-RATE * sum(steps), rel=1e-6)


def test_spsa_takes_ever_smaller_steps_and_looks_ever_closer() -> None:
    assert walked("spsa", [[1.0]])[0] == pytest.approx(-RATE)
    assert walked("spsa", [[1.0]] * 12)[0] - walked("spsa", [[1.0]] * 11)[0] == pytest.approx(
        -RATE * (11 / 22) ** 0.602
    )
    state = optimizers.begun("spsa", 1)
    widths = []
    for _ in range(3):
        widths.append(optimizers.perturbation("spsa", state))
        optimizers.stepped("spsa", np.ones(1), RATE, state, 0.0)
    assert widths == pytest.approx([0.2, 0.2 / 2**0.101, 0.2 / 3**0.101])


def test_natural_gradient_divides_by_a_quarter_for_one_rotation() -> None:
    definition = CircuitDefinition.of_gates(
        1,
        [
            Gate(type="RY", targets=(0,), parameters={"theta": "x_0"}),
            Gate(type="RY", targets=(0,), parameters={"theta": "theta_0"}),
        ],
    )
    engine = Engine(plan(definition, ["x_0"]), Observables.of_paulis(1, [{"Z": 1.0}]))
    samples = Labelled(Inputs(np.array([[0.3], [1.1]])), np.array([0, 1]))
    found = natural_gradient(engine)(np.array([0.4]), samples, np.array([1.0]))
    assert found == pytest.approx([1 / (0.25 + 0.01)])


def rosenbrock(x: np.ndarray) -> tuple[float, np.ndarray]:
    value = (1 - x[0]) ** 2 + 5 * (x[1] - x[0] ** 2) ** 2
    return value, np.array([-2 * (1 - x[0]) - 20 * x[0] * (x[1] - x[0] ** 2), 10 * (x[1] - x[0] ** 2)])


def asked(method: str, most: int, answers: int = 0) -> list[list[float]]:
    """Ask a conversation's questions; the first answers are those of another one, given at once."""
    conversation = Conversation(method, np.array([-1.0, 2.0]), 0.5)
    points = []
    point = conversation.question()
    while point is not None and len(points) < most:
        points.append(point.tolist())
        value, gradient = rosenbrock(point)
        conversation.answer(Answer(value, gradient))
        point = conversation.question()
    conversation.close()
    return points


@pytest.mark.parametrize("method", ["l-bfgs-b", "cobyla"])
def test_a_conversation_asks_what_scipy_asks(method: str) -> None:
    points: list[list[float]] = []

    def told(x: np.ndarray) -> object:
        points.append(x.tolist())
        return rosenbrock(x) if method == "l-bfgs-b" else rosenbrock(x)[0]

    options = {} if method == "l-bfgs-b" else {"rhobeg": 0.5, "maxiter": 10_000}
    minimize(told, [-1.0, 2.0], method=method, jac=method == "l-bfgs-b", options=options)
    assert asked(method, 10_000) == points
    assert asked(method, 5) == points[:5]


def test_a_conversation_passes_on_what_goes_wrong_in_it() -> None:
    conversation = Conversation("l-bfgs-b", np.zeros(2), 0.5)
    conversation.question()
    conversation.answer(Answer(np.ones(2), np.zeros(2)))
    with pytest.raises(ValueError, match="scalar"):
        conversation.question()


def test_learning_rates_follow_their_schedule() -> None:
    def rates(epochs: int = 5, **schedule: object) -> list[float]:
        return [optimizers.learning_rate(Schedule(**schedule), 0.2, e, epochs) for e in range(1, epochs + 1)]

    assert rates() == pytest.approx([0.2] * 5)
    assert rates(type="step", factor=0.5, every=2) == pytest.approx([0.2, 0.2, 0.1, 0.1, 0.05])
    assert rates(type="exponential", factor=0.5) == pytest.approx([0.2, 0.1, 0.05, 0.025, 0.0125])
    assert rates(type="cosine", factor=0.1) == pytest.approx(
        [
            0.2,
            0.2 * (0.1 + 0.45 * (1 + math.cos(math.pi / 4))),
            0.11,
            0.2 * (0.1 + 0.45 * (1 - math.cos(math.pi / 4))),
            0.02,
        ]
    )
    assert rates(epochs=1, type="cosine") == pytest.approx([0.2])
