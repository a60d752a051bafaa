"""What is read out of states: expectation values of diagonal observables, and of any sums of Pauli strings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PauliString:
    """A term that moves amplitudes.

    Attributes:
        observable: the number of the observable that it belongs to.
        flips: the qubits with X or Y.
        signs: the qubits with Z or Y.
        factor: its coefficient, times i for each Y.
    """

    observable: int
    flips: int
    signs: int
    factor: complex


@dataclass(frozen=True, slots=True)
class Observables:
    """Some observables, as the kernels read them.

    Attributes:
        n_qubits: of the states.
        diagonals: the diagonal part of each, shape (n_observables, 2^n_qubits).
        strings: all other terms.
    """

    n_qubits: int
    diagonals: Floats
    strings: tuple[PauliString, ...] = ()

    def __post_init__(self) -> None:
        """Refuse to read out nothing, which the kernels do not look for."""
        if not len(self.diagonals):
            raise ValueError("there is no observable")

    @classmethod
    def of_paulis(cls, n_qubits: int, sums: Sequence[Mapping[str, float]]) -> "Observables":
        """Read sums of Pauli strings, such as `{"IIZ": 1.0, "XXI": 0.5}`; qubit 0 is the rightmost letter."""
        rows = np.arange(1 << n_qubits)
        diagonals = np.zeros((len(sums), len(rows)))
        strings = []
        for number, terms in enumerate(sums):
            for text, coefficient in terms.items():
                letters = text[::-1].upper()
                flips, signs = (
                    sum(1 << qubit for qubit, letter in enumerate(letters) if letter in which)
                    for which in ("XY", "ZY")
                )
                if flips:
                    strings.append(PauliString(number, flips, signs, coefficient * 1j ** letters.count("Y")))
                else:
                    diagonals[number] += coefficient * (1.0 - 2.0 * (np.bitwise_count(rows & signs) & 1))
        return cls(n_qubits, diagonals, tuple(strings))

    @classmethod
    def of_probabilities(cls, n_qubits: int, qubits: Sequence[int], n_outcomes: int | None = None) -> "Observables":
        """Read the probability of each outcome of some qubits, the first of them the least significant bit.

        Args:
            n_qubits: of the states.
            qubits: which are measured.
            n_outcomes: outcomes from this on fall to outcome number modulo it, so that every outcome counts.
        """
        rows = np.arange(1 << n_qubits)
        outcome = np.zeros_like(rows)
        for bit, qubit in enumerate(qubits):
            outcome |= (rows >> qubit & 1) << bit
        count = 1 << len(qubits) if n_outcomes is None else n_outcomes
        return cls(n_qubits, (outcome % count == np.arange(count)[:, None]).astype(float))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.diagonals)
