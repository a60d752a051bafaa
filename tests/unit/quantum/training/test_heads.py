import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketbase.models.types import Head
from ketbase.quantum.training.heads import Classification, class_weights

HEADS = [(readout, loss) for readout in ("expectation", "probabilities") for loss in ("cross_entropy", "mse")]


def classification(readout: str, loss: str, n_classes: int, scale: float = 4.0) -> Classification:
    return Classification(Head(readout=readout, loss=loss, scale=scale), n_classes, n_qubits=6)


def outputs_of(head: Classification, seed: int, batch: int = 7) -> np.ndarray:
    dice = np.random.default_rng(seed)
    if head.head.readout == "probabilities":
        return dice.dirichlet(np.ones(head.n_classes), batch)
    return dice.uniform(-0.99, 0.99, (batch, len(head.observables)))


@pytest.mark.parametrize(("readout", "loss"), HEADS)
@settings(max_examples=15, deadline=None)
@given(n_classes=st.integers(2, 6), seed=st.integers(0, 2**31))
def test_slopes_are_the_derivatives_of_the_losses(readout: str, loss: str, n_classes: int, seed: int) -> None:
    head = classification(readout, loss, n_classes)
    outputs = outputs_of(head, seed)
    labels = np.random.default_rng(seed).integers(0, n_classes, len(outputs))
    slopes, step = head.slopes(outputs, labels), 1e-6
    for column in range(outputs.shape[1]):
        aside = np.zeros_like(outputs)
        aside[:, column] = step * np.maximum(outputs[:, column], 1e-3)
        change = head.losses(outputs + aside, labels) - head.losses(outputs - aside, labels)
        assert slopes[:, column] == pytest.approx(change / (2 * aside[:, column]), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("readout", "loss"), HEADS)
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_probabilities_sum_to_one_and_the_best_output_has_the_most(readout: str, loss: str, n_classes: int) -> None:
    head = classification(readout, loss, n_classes)
    outputs = outputs_of(head, 1)
    probabilities = head.probabilities(outputs)
    assert probabilities.shape == (len(outputs), n_classes)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    best = np.where(outputs[:, 0] > 0, 0, 1) if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    assert (probabilities.argmax(axis=1) == best).all()


def test_two_classes_share_the_first_qubit() -> None:
    z = np.array([[0.5]])
    cross = classification("expectation", "cross_entropy", 2, scale=2.0)
    assert cross.probabilities(z)[0, 0] == pytest.approx(np.exp(1) / (np.exp(1) + np.exp(-1)))
    assert cross.losses(z, np.array([1])) == pytest.approx(-np.log(np.exp(-1) / (np.exp(1) + np.exp(-1))))
    squared = classification("expectation", "mse", 2)
    assert squared.probabilities(z)[0] == pytest.approx([0.75, 0.25])
    assert squared.losses(z, np.array([1])) == pytest.approx(1.5**2)


def test_outcomes_beyond_the_classes_fall_to_the_first_ones() -> None:
    observables = classification("probabilities", "mse", 3).observables
    assert observables.diagonals[:, :4].tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]]


def test_a_probability_of_zero_has_a_finite_loss_and_slope() -> None:
    head = classification("probabilities", "cross_entropy", 2)
    outputs, labels = np.array([[0.0, 1.0]]), np.array([0])
    assert np.isfinite(head.losses(outputs, labels)).all()
    assert np.isfinite(head.slopes(outputs, labels)).all()


def test_balanced_weights_give_each_class_the_same_sum() -> None:
    labels = np.array([0, 0, 0, 1, 2, 2])
    weights = class_weights("balanced", ("a", "b", "c"), labels)
    assert [weights[labels[labels == k]].sum() for k in range(3)] == pytest.approx([2, 2, 2])
    assert class_weights({"b": 3.0}, ("a", "b", "c"), labels).tolist() == [1, 3, 1]
    assert class_weights(None, (0, 1), labels).tolist() == [1, 1]
