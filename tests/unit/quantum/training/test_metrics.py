import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score, log_loss
from sklearn.svm import SVC

from ketbase.quantum.training.evaluation import baselines, cross_entropy, metrics


def judged(seed: int = 0, n: int = 200, n_classes: int = 3):
    dice = np.random.default_rng(seed)
    probabilities = dice.dirichlet(np.ones(n_classes), n)
    labels = np.where(dice.random(n) < 0.7, probabilities.argmax(axis=1), dice.integers(0, n_classes, n))
    return probabilities, labels, metrics(probabilities, labels, cross_entropy(probabilities, labels))


def test_figures_are_scikit_learns() -> None:
    probabilities, labels, found = judged()
    taken = probabilities.argmax(axis=1)
    assert found.n_samples == 200
    assert found.accuracy.value == pytest.approx(np.mean(taken == labels))
    assert found.f1.value == pytest.approx(f1_score(labels, taken, average="macro"))
    assert found.loss.value == pytest.approx(log_loss(labels, probabilities))
    assert found.confusion[1][2] == np.sum((labels == 1) & (taken == 2))
    for estimate in (found.accuracy, found.f1, found.loss):
        assert estimate.low < estimate.value < estimate.high


def test_the_interval_of_accuracy_is_wilsons() -> None:
    probabilities = np.array([[0.9, 0.1]] * 10)
    found = metrics(probabilities, np.array([0] * 8 + [1] * 2), np.ones(10)).accuracy
    z, p, n = 1.959963985, 0.8, 10
    middle, half = (p + z * z / (2 * n)), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert [found.low, found.high] == pytest.approx(
        [(middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)]
    )


def test_intervals_of_a_bootstrap_are_as_wide_as_the_spread_of_new_samples() -> None:
    f1s = [judged(seed)[2].f1.value for seed in range(150)]
    _, _, found = judged()
    assert found.f1.high - found.f1.low == pytest.approx(2 * 1.96 * np.std(f1s), rel=0.35)
    losses = np.random.default_rng(3).normal(5, 2, 200)
    mean = metrics(*judged()[:2], losses).loss
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * losses.std() / np.sqrt(200), rel=0.1)


def test_calibration_is_the_gap_between_confidence_and_accuracy() -> None:
    probabilities = np.array([[0.95, 0.05]] * 4 + [[0.35, 0.65]] * 6)
    labels = np.array([0, 0, 0, 1] + [1] * 6)
    found = metrics(probabilities, labels, np.ones(10))
    assert found.calibration_error == pytest.approx(0.4 * 0.2 + 0.6 * 0.35)
    assert [(each.count, each.accuracy) for each in found.reliability] == [(6, 1.0), (4, 0.75)]


def test_one_sample_is_enough() -> None:
    found = metrics(np.array([[1.0, 0.0]]), np.array([0]), np.zeros(1))
    assert (found.accuracy.value, found.f1.value, found.loss.value) == (1, 1, 0)
    assert found.accuracy.low < 0.3


@pytest.mark.parametrize("n_classes", [2, 3])
def test_baselines_learn_what_is_easy(n_classes: int) -> None:
    dice = np.random.default_rng(0)
    y = np.arange(60) % n_classes
    x = dice.normal(0, 0.2, (60, 2)) + np.array([np.cos(y), np.sin(y)]).T * 3
    found = baselines(x[:40], y[:40], x[40:], y[40:])
    assert set(found) == {"logistic_regression", "rbf_svm"}
    for each in found.values():
        assert each.accuracy.value == 1
        assert each.loss.value < 0.5


def test_of_ten_digits_the_machine_takes_what_scikit_learns_own_takes() -> None:
    x, y = load_digits(return_X_y=True)
    x_train, x_test = x[:300] / 8, x[300:] / 8
    found = baselines(x_train, y[:300], x_test, y[300:])["rbf_svm"]
    own = SVC(break_ties=True).fit(x_train, y[:300])
    assert found.accuracy.value == own.score(x_test, y[300:])
    assert found.loss.value < 1
