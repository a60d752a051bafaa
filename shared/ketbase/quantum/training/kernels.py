r"""Fidelity kernels: $K(x, y) = |\langle \psi(x) | \psi(y) \rangle|^2$, and the support vector machine on top.

A machine tells each pair of classes $i < j$ apart by a margin $d_{ij} = \sum_s a_s K(x, x_s) + b$, above 0 for $i$.
Each pair votes for one of its classes, and the score of a class is scikit-learn's: its votes plus
$m / (3 (|m| + 1))$, where the sum $m$ of its margins decides between equal votes. Of two classes the margin itself
is the score. The softmax of the scores are the probabilities: they are ordered as the scores are, but not fitted to
frequencies.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ketbase.quantum.training.inputs import Floats, Labels

type States = NDArray[np.complexfloating]

_MOST_SAMPLES = 5_000
"""To train on: their matrix takes 200 MB."""
_MOST_AMPLITUDES = 1 << 27
"""Of their states, which take 2 GB."""
_ROWS = 256
"""How many rows of a matrix are computed at a time, by one thread."""


def most_samples(n_qubits: int) -> int:
    """Say how many samples a machine can be fitted on."""
    return min(_MOST_SAMPLES, _MOST_AMPLITUDES >> n_qubits)


def gram(states: States, others: States | None = None) -> Floats:
    """Give the fidelity of each state with each other, shape (n_states, n_others).

    It has the same bits with any number of threads.

    Args:
        states: shape (n_states, 2^n_qubits).
        others: the same ones, where there are none; the matrix is then symmetric, with ones on its diagonal.
    """
    right = states if others is None else others
    found = np.empty((len(states), len(right)))

    def fill(first: int) -> None:
        overlaps = states[first : first + _ROWS].conj() @ right.T
        found[first : first + _ROWS] = overlaps.real**2 + overlaps.imag**2

    # With threads of its own, a product adds up in an order that depends on their number.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.process_cpu_count()) as pool:
        list(pool.map(fill, range(0, len(states), _ROWS)))
    if others is None:
        found = (found + found.T) / 2
        np.fill_diagonal(found, 1.0)
    return found


class Machine(NamedTuple):
    """A support vector machine for each pair of classes.

    Attributes:
        support: the rows of the training part that are used, shape (n_support,).
        dual: their coefficients, shape (n_pairs, n_support).
        intercept: shape (n_pairs,).
    """

    support: NDArray[np.int64]
    dual: Floats
    intercept: Floats


def fitted(matrix: Floats, labels: Labels, weights: Floats, regularization: float) -> Machine:
    """Fit a machine.

    Args:
        matrix: of the training part, shape (batch, batch).
        labels: numbers of classes, all of which occur.
        weights: of each class.
        regularization: the C of the support vector machine.
    """
    of_class = dict(enumerate(map(float, weights)))
    svc = SVC(C=regularization, kernel="precomputed", class_weight=of_class).fit(matrix, labels)
    n_classes = len(svc.classes_)
    of_support = labels[svc.support_]
    # libsvm keeps, for each support vector, its coefficients against all other classes, in their order.
    dual = np.zeros((n_classes * (n_classes - 1) // 2, len(of_support)))
    for pair, (i, j) in enumerate(combinations(range(n_classes), 2)):
        dual[pair, of_support == i] = svc.dual_coef_[j - 1, of_support == i]
        dual[pair, of_support == j] = svc.dual_coef_[i, of_support == j]
    sign = -1.0 if n_classes == 2 else 1.0  # scikit-learn turns the margin of two classes around
    return Machine(svc.support_.astype(np.int64), sign * dual, sign * svc.intercept_)


def margins(matrix: Floats, dual: Floats, intercept: Floats) -> Floats:
    """Give the margin of each pair, shape (batch, n_pairs), from a matrix of shape (batch, n_support)."""
    return matrix @ dual.T + intercept


def kernel_probabilities(found: Floats, n_classes: int, scale: float) -> Floats:
    """Give the probability of each class, shape (batch, n_classes), from the margins."""
    votes, sums = np.zeros((2, len(found), n_classes))
    for pair, (i, j) in enumerate(combinations(range(n_classes), 2)):
        votes[:, i] += found[:, pair] >= 0
        votes[:, j] += found[:, pair] < 0
        sums[:, i] += found[:, pair]
        sums[:, j] -= found[:, pair]
    scores = sums if n_classes == 2 else votes + sums / (3 * (np.abs(sums) + 1))
    return np.asarray(softmax(scale * scores, axis=1))
