"""How qubits misread 0 and 1, measured by two circuits, and the values by which that is undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ketbase.quantum.engines import Counts
from ketbase.quantum.experiments.outcomes import outcomes

LEAST_CONTRAST = 0.05
"""A qubit whose outcome says less than this about its state is left as it is read."""


@dataclass(frozen=True, slots=True)
class Readout:
    """What an outcome says of each qubit's Z, and how sure that is.

    With ε₀ and ε₁ the probabilities of reading a 0 as 1 and a 1 as 0, the outcomes 0 and 1 stand for
    `(±1 + ε₀ − ε₁) / (1 − ε₀ − ε₁)`: the mean of these is the mean of Z before it was misread. For a product of Z
    on several qubits the values are multiplied, which inverts the tensor product of the qubits' confusion matrices.
    The assumption is that qubits misread independently of each other, and that 0 and 1 were prepared without error:
    then it is exact. What qubits misread together stays in the result.

    Source: Bravyi et al., Mitigating measurement errors in multiqubit experiments, arXiv:2006.14044, section II.

    Attributes:
        values: of the outcomes 0 and 1, shape (qubits, 2).
        slopes: their derivatives by ε₀ and ε₁, shape (qubits, 2 outcomes, 2 probabilities).
        variances: of ε₀ and ε₁ as they were measured, shape (qubits, 2).
        blind: qubits that are left as they are read, for their outcomes say next to nothing.
    """

    values: NDArray[np.float64]
    slopes: NDArray[np.float64]
    variances: NDArray[np.float64]
    blind: tuple[int, ...] = ()

    @property
    def corrects(self) -> bool:
        """Whether any outcome is not taken as it is read."""
        return bool(self.variances.any())

    @classmethod
    def ideal(cls, n_qubits: int) -> Self:
        """Take every outcome as it is read."""
        values = np.tile([1.0, -1.0], (n_qubits, 1))
        return cls(values, np.zeros((n_qubits, 2, 2)), np.zeros((n_qubits, 2)))

    @classmethod
    def calibrated(cls, all_zero: Counts, all_one: Counts, qubits: Sequence[int], n_qubits: int) -> Self:
        """Learn from what was read of qubits that were all 0, and all 1.

        Args:
            all_zero: counts of the first, qubit 0 rightmost.
            all_one: counts of the second.
            qubits: that were measured; the others are taken as they are read.
            n_qubits: how many bits the counts have.
        """
        ideal = cls.ideal(n_qubits)
        ones, shots = zip(*(_ones(counts, n_qubits) for counts in (all_zero, all_one)), strict=True)
        wrong = np.stack([ones[0], shots[1] - ones[1]], axis=1)
        error = wrong / np.array(shots)
        # As if one shot more had gone wrong and one right: none wrong so far is no certainty.
        likely = (wrong + 1) / (np.array(shots) + 2)
        variance = likely * (1 - likely) / np.array(shots)
        contrast = 1 - error.sum(axis=1)
        used = np.zeros(n_qubits, dtype=bool)
        used[list(qubits)] = True
        seeing = used & (contrast >= LEAST_CONTRAST)
        lean = error[:, 0] - error[:, 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.stack([1 + lean, -1 + lean], axis=1) / contrast[:, None]
            by_error = np.stack([1 - error[:, 1], error[:, 0], -error[:, 1], -(1 - error[:, 0])], axis=1)
            slopes = 2 * by_error.reshape(-1, 2, 2) / contrast[:, None, None] ** 2
        return cls(
            np.where(seeing[:, None], values, ideal.values),
            np.where(seeing[:, None, None], slopes, 0.0),
            np.where(seeing[:, None], variance, 0.0),
            tuple(int(qubit) for qubit in np.flatnonzero(used & ~seeing)),
        )


def _ones(counts: Counts, n_qubits: int) -> tuple[NDArray[np.float64], int]:
    ones = np.zeros(n_qubits)
    for bits, times in outcomes(counts, n_qubits):
        ones += times @ bits
    return ones, sum(counts.values())
