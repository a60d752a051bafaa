"""How well a classifier does on some samples, with intervals, and how well classical ones do on the same."""

from typing import Any

import numpy as np
from scipy.special import softmax
from scipy.stats import binomtest, bootstrap
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.svm import SVC

from ketbase.models.types import Estimate, Metrics, ReliabilityBin
from ketbase.quantum.training.inputs import Floats, Labels

_RESAMPLES = 1_000
_AT_ONCE = 10_000_000
"""How many numbers of resamples are drawn at a time."""
_ITERATIONS = 5_000
_LEVEL = 0.95
_TAILS = ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2)
_BINS = 10
_LEAST = 1e-12


def metrics(probabilities: Floats, labels: Labels, losses: Floats) -> Metrics:
    """Measure a classifier.

    Args:
        probabilities: of each class, shape (batch, n_classes); the most probable one is what a sample is taken for.
        labels: numbers of classes, shape (batch,).
        losses: of each sample, shape (batch,).
    """
    n_classes = probabilities.shape[1]
    taken = probabilities.argmax(axis=1)
    confusion = confusion_matrix(labels, taken, labels=range(n_classes))
    interval = binomtest(int(confusion.trace()), len(labels)).proportion_ci(_LEVEL, method="wilson")
    error, reliability = _calibration(probabilities.max(axis=1), taken == labels)
    return Metrics(
        n_samples=len(labels),
        accuracy=Estimate(value=confusion.trace() / len(labels), low=interval.low, high=interval.high),
        f1=_f1(confusion),
        loss=_mean(losses),
        confusion=tuple(map(tuple, confusion.tolist())),
        calibration_error=error,
        reliability=reliability,
    )


def baselines(x_train: Floats, y_train: Labels, x_test: Floats, y_test: Labels) -> dict[str, Metrics]:
    """Measure logistic regression and a support vector machine with radial basis functions.

    Args:
        x_train: the same preprocessed features that the circuit is given, shape (batch, n_columns).
        y_train: numbers of classes, all of which occur.
        x_test: to measure on; likewise.
        y_test: of those.
    """
    regression: Any = LogisticRegression(max_iter=_ITERATIONS).fit(x_train, y_train)
    machine: Any = SVC().fit(x_train, y_train)
    found = machine.decision_function(x_test)
    by_machine = softmax(found if found.ndim == 2 else np.column_stack((-found, found)), axis=1)
    probabilities = {"logistic_regression": regression.predict_proba(x_test), "rbf_svm": by_machine}
    return {name: metrics(each, y_test, cross_entropy(each, y_test)) for name, each in probabilities.items()}


def cross_entropy(probabilities: Floats, labels: Labels) -> Floats:
    """Give the cross-entropy of each sample, shape (batch,)."""
    return -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], _LEAST))


def _f1(confusion: Labels) -> Estimate:
    """Average over classes; samples that are drawn again are draws of the confusion matrix's cells."""
    cells = confusion.ravel()
    drawn = np.random.default_rng(0).multinomial(cells.sum(), cells / cells.sum(), _RESAMPLES)
    low, high = np.quantile(_macro_f1(drawn.reshape(-1, *confusion.shape)), _TAILS)
    return Estimate(value=float(_macro_f1(confusion[None])[0]), low=float(low), high=float(high))


def _macro_f1(confusions: Labels) -> Floats:
    """Average over the classes that occur, in truth or by mistake."""
    hits = np.diagonal(confusions, axis1=1, axis2=2)
    total = confusions.sum(axis=1) + confusions.sum(axis=2)
    scores = np.divide(2 * hits, total, out=np.zeros(hits.shape), where=total > 0)
    return np.asarray(scores.sum(axis=1) / (total > 0).sum(axis=1))


def _mean(values: Floats) -> Estimate:
    mean = float(values.mean())
    if len(values) < 2:
        return Estimate(value=mean, low=mean, high=mean)
    interval = bootstrap(
        (values,),
        np.mean,
        n_resamples=_RESAMPLES,
        batch=max(_AT_ONCE // len(values), 1),
        confidence_level=_LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(value=mean, low=float(interval.low), high=float(interval.high))


def _calibration(confidence: Floats, right: Labels) -> tuple[float, tuple[ReliabilityBin, ...]]:
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    found = tuple(
        ReliabilityBin(
            confidence=float(confidence[inside].mean()),
            accuracy=float(right[inside].mean()),
            count=int(inside.sum()),
        )
        for inside in (bins == number for number in range(_BINS))
        if inside.any()
    )
    error = sum(each.count * abs(each.accuracy - each.confidence) for each in found) / len(right)
    return error, found
