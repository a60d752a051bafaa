r"""How a circuit's outputs become class probabilities, a loss, and the loss's slopes.

Two classes that are read out by expectation values share $\langle Z_0 \rangle$: +1 is the first of them. Otherwise
class $k$ has an output of its own, $\langle Z_k \rangle$ or the probability of an outcome.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from ketbase.models.types import Head
from ketbase.quantum.batched.observables import Observables
from ketbase.training.circuits import qubits_needed

type Floats = NDArray[np.float64]
type Labels = NDArray[np.int64]

_LEAST = 1e-12
"""Probabilities below this count as much, so that logarithms stay finite."""


@dataclass(frozen=True)
class Classification:
    """A head over the outputs of a circuit that tells some classes apart.

    Attributes:
        head: the readout, by `expectation` or `probabilities`, and the loss.
        n_classes: two or more.
        n_qubits: of the circuit.
    """

    head: Head
    n_classes: int
    n_qubits: int

    @cached_property
    def observables(self) -> Observables:
        """What is read out of the states; all of it is diagonal. A kernel, which needs the states, has any."""
        needed = qubits_needed(self.head.readout, self.n_classes)
        if self.head.readout == "probabilities":
            return Observables.of_probabilities(self.n_qubits, range(needed), self.n_classes)
        letters = ("I" * (self.n_qubits - 1 - qubit) + "Z" + "I" * qubit for qubit in range(needed))
        return Observables.of_paulis(self.n_qubits, [{each: 1.0} for each in letters])

    def probabilities(self, outputs: Floats) -> Floats:
        """Give the probability of each class, shape (batch, n_classes), from outputs, shape (batch, n_outputs)."""
        if self.head.readout == "probabilities":
            return outputs / outputs.sum(axis=1, keepdims=True)
        if self.head.loss == "cross_entropy":
            return np.asarray(softmax(self._logits(outputs), axis=1))
        chances = np.maximum((1 + self._each(outputs)) / 2, _LEAST)
        return chances / chances.sum(axis=1, keepdims=True)

    def losses(self, outputs: Floats, labels: Labels) -> Floats:
        """Give each sample's loss, shape (batch,); labels are numbers of classes."""
        rows = np.arange(len(labels))
        if self.head.loss == "mse":
            return np.asarray(np.mean((outputs - self._targets(labels)) ** 2, axis=1))
        if self.head.readout == "probabilities":
            return np.asarray(-np.log(np.maximum(outputs[rows, labels], _LEAST)))
        return np.asarray(-log_softmax(self._logits(outputs), axis=1)[rows, labels])

    def slopes(self, outputs: Floats, labels: Labels) -> Floats:
        """Give the derivatives of each sample's loss by its outputs, shape (batch, n_outputs)."""
        rows = np.arange(len(labels))
        if self.head.loss == "mse":
            return np.asarray(2 * (outputs - self._targets(labels)) / outputs.shape[1])
        found = np.zeros_like(outputs)
        if self.head.readout == "probabilities":
            own = outputs[rows, labels]
            found[rows, labels] = np.where(own > _LEAST, -1 / np.maximum(own, _LEAST), 0.0)
            return found
        errors = softmax(self._logits(outputs), axis=1)
        errors[rows, labels] -= 1
        own = errors[:, :1] - errors[:, 1:] if self.n_classes == 2 else errors
        return np.asarray(self.head.scale * own)

    def _each(self, outputs: Floats) -> Floats:
        return np.hstack([outputs, -outputs]) if self.n_classes == 2 else outputs

    def _logits(self, outputs: Floats) -> Floats:
        return self.head.scale * self._each(outputs)

    def _targets(self, labels: Labels) -> Floats:
        own = labels[:, None] == np.arange(self.n_classes)
        if self.head.readout == "probabilities":
            return np.asarray(own, dtype=float)
        return np.where(own, 1.0, -1.0)[:, : 1 if self.n_classes == 2 else None]


def class_weights(asked: str | dict[str, float] | None, classes: tuple[int | str, ...], labels: Labels) -> Floats:
    """Give the weight of each class in the loss.

    Args:
        asked: `balanced` weighs a class by how rare it is in the training part; or a weight by label, 1 for those
            that are not named.
        classes: all labels.
        labels: of the training part, as numbers of classes.
    """
    if asked is None:
        return np.ones(len(classes))
    if isinstance(asked, dict):
        return np.array([asked.get(str(label), 1.0) for label in classes])
    counts = np.bincount(labels, minlength=len(classes))
    return len(labels) / (len(classes) * np.maximum(counts, 1))
