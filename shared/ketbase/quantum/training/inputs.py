"""The rows that circuits are run for: features that fill in angles, or amplitudes that they begin in."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Amplitudes = NDArray[np.complex128]
type Labels = NDArray[np.int64]
type Rows = NDArray[np.int64] | slice


@dataclass(frozen=True, slots=True)
class Inputs:
    """Some samples, as a circuit takes them.

    Attributes:
        features: shape (batch, n_features).
        amplitudes: that circuits begin in, shape (batch, 2^n_qubits), with amplitude encoding; there are no
            features then.
    """

    features: Floats
    amplitudes: Amplitudes | None = None

    @classmethod
    def of(cls, columns: Floats, *, amplitudes_of: int | None = None) -> "Inputs":
        """Take preprocessed columns, shape (batch, n_columns).

        Args:
            columns: at most 2^n_qubits, where they become amplitudes.
            amplitudes_of: so many qubits, with amplitude encoding. Where a place is left, the root of the number of
                columns is put there, which is as much as standardised columns have together: it tells a sample from
                its opposite, which would be the same state. Zeros follow; a row of nothing but zeros becomes |0…0⟩.
        """
        if amplitudes_of is None:
            return cls(columns)
        amplitudes = np.zeros((len(columns), 1 << amplitudes_of), np.complex128)
        n_columns = columns.shape[1]
        amplitudes[:, :n_columns] = columns
        amplitudes[:, n_columns : n_columns + 1] = math.sqrt(n_columns)
        norms = np.linalg.norm(amplitudes, axis=1)
        amplitudes[norms == 0, 0] = 1.0
        return cls(columns[:, :0], amplitudes / np.where(norms == 0, 1.0, norms)[:, None])

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.features)

    def __getitem__(self, rows: Rows) -> "Inputs":
        """Take some of them."""
        return Inputs(self.features[rows], None if self.amplitudes is None else self.amplitudes[rows])


class Labelled(NamedTuple):
    """A part of the data; labels are numbers of classes, shape (batch,)."""

    inputs: Inputs
    labels: Labels
