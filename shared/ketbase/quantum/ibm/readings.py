"""What an estimator's shots say of Pauli terms, those of a basis together, with their readout corrected or not."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit_ibm_runtime.results import QuantumProgramResult

from ketbase.backends.experiments import Estimate

type Array = NDArray[np.float64]
type Bits = NDArray[np.bool_]
"""Shape (shots, qubits), qubit 0 first."""
type Bases = Mapping[str, Bits]
"""What was measured in each basis; a basis has a letter for each qubit, qubit 0 rightmost."""

_VERSION = "0.1"
_CALIBRATION = "trex"
_CHUNK = 4_000_000
"""How many parities are worked on at once: 32 MB."""


def shots_of(result: QuantumProgramResult, qubits: Sequence[int]) -> Iterator[list[Bases]]:
    """Return for each set of parameters what was measured at each scale of the noise.

    IBM measures all qubits of the machine, and keeps with the result which item is for what.

    Args:
        result: of the SDK's estimator.
        qubits: the machine's, for each of the circuit's.

    Raises:
        ValueError: it is of a form that is not known here.
    """
    for said in _said(result):
        if said["mitigation"] == _CALIBRATION:
            continue
        first, scales = said["program_item_index"], len(said.get("noise_factors", (1,)))
        items = [_bits(result[first + scale], qubits) for scale in range(scales)]
        by_set: dict[tuple[int, ...], dict[int, str]] = {}
        for number, (place, letters) in enumerate(said["param_basis_pairs"]):
            basis = "".join(letters[-1 - qubit] for qubit in reversed(qubits))
            by_set.setdefault(tuple(place), {})[number] = basis
        for place in sorted(by_set):
            yield [
                {basis: item[:, number].reshape(-1, len(qubits)) for number, basis in by_set[place].items()}
                for item in items
            ]


def calibration_of(result: QuantumProgramResult, qubits: Sequence[int]) -> Bits:
    """Return whether each qubit was misread in each shot of the readout's calibration."""
    item = next(each["program_item_index"] for each in _said(result) if each["mitigation"] == _CALIBRATION)
    return _bits(result[item], qubits).reshape(-1, len(qubits))


@dataclass(frozen=True, slots=True)
class Values:
    """Values and their variances, of shape (observables,)."""

    means: Array
    variances: Array

    def estimate(self, observable: int) -> Estimate:
        """The value of one observable with its standard error."""
        error = np.sqrt(self.variances[observable])
        return Estimate(value=float(self.means[observable]), standard_error=float(error))


@dataclass(frozen=True)
class Terms:
    """The Pauli terms of some observables.

    Attributes:
        letters: of each, qubit 0 rightmost.
        coefficients: of the terms in the observables, shape (terms, observables).
        calibration: of the readout, where it is to be corrected.
    """

    letters: Sequence[str]
    coefficients: Array
    calibration: Bits | None = None
    _chosen: dict[tuple[str, ...], list[list[int]]] = field(default_factory=dict)

    def measured(self, bases: Bases) -> Values:
        """Average what each shot says of each observable."""
        return self._read(bases, self.coefficients)[0]

    def corrected(self, bases: Bases) -> Values:
        """The same, each term divided by the mean parity that its qubits show in the calibration.

        There all of them should be 0 (TREX, doi:10.1103/PhysRevA.105.032620). The variances have the calibration's
        own in them.
        """
        if self.calibration is None:
            return self.measured(bases)
        calm = self._parity(self.calibration, range(len(self.letters)))
        values, means = self._read(bases, self.coefficients / calm[:, None])
        slopes = self.coefficients * (means / calm**2)[:, None]
        _, said = self._said_by(self.calibration, range(len(self.letters)), slopes)
        return Values(values.means, values.variances + _variance(said, np.abs(slopes).sum(axis=0)))

    def _read(self, bases: Bases, weights: Array) -> tuple[Values, Array]:
        means, variances = np.zeros((2, weights.shape[1]))
        of_terms = np.zeros(len(self.letters))
        for bits, terms in zip(bases.values(), self._by_basis(tuple(bases)), strict=True):
            if terms:
                of_terms[terms], said = self._said_by(bits, terms, weights[terms])
                means += said.mean(axis=0)
                variances += _variance(said, np.abs(weights[terms]).sum(axis=0))
        return Values(means, variances), of_terms

    def _said_by(self, bits: Bits, terms: Sequence[int], weights: Array) -> tuple[Array, Array]:
        """The mean parity of each term, and what each shot says of each observable."""
        means, said = np.zeros(len(terms)), np.zeros((len(bits), weights.shape[1]))
        for some in batched(range(len(terms)), max(1, _CHUNK // len(bits)), strict=False):
            part = slice(some[0], some[-1] + 1)
            acts = [[letter != "I" for letter in reversed(self.letters[term])] for term in terms[part]]
            parities = 1.0 - 2.0 * (bits @ np.array(acts, dtype=float).T % 2)
            means[part] = parities.mean(axis=0)
            said += parities @ weights[part]
        return means, said

    def _parity(self, bits: Bits, terms: Sequence[int]) -> Array:
        means, _ = self._said_by(bits, terms, np.zeros((len(terms), 0)))
        return np.where(means == 0, 1 / len(bits), means)

    def _by_basis(self, bases: tuple[str, ...]) -> list[list[int]]:
        """Read each term off the first basis that it agrees with."""
        if bases not in self._chosen:
            chosen: list[list[int]] = [[] for _ in bases]
            for number, letters in enumerate(self.letters):
                agreeing = [at for at, basis in enumerate(bases) if _agree(letters, basis)]
                if not agreeing:
                    raise ValueError(f"{letters} was not measured")
                chosen[agreeing[0]].append(number)
            self._chosen[bases] = chosen
        return self._chosen[bases]


def _said(result: QuantumProgramResult) -> Iterable[dict[str, Any]]:
    said = result.passthrough_data["qiskit_mitigation"]
    versions = {each["version"] for each in said} - {_VERSION}
    if versions:
        raise ValueError(f"qiskit-mitigation's results of version {', '.join(sorted(versions))} are not known")
    return list(said)


def _bits(item: Mapping[str, Bits], qubits: Sequence[int]) -> Bits:
    bits, flips = item["_meas"], item.get("measurement_flips._meas")
    found = bits[..., list(qubits)]
    return found if flips is None else found ^ flips[..., list(qubits)]


def _agree(term: str, basis: str) -> bool:
    return all(letter in ("I", measured) for letter, measured in zip(term, basis, strict=True))


def _variance(said: Array, largest: Array) -> Array:
    """The variance of the mean; the largest possible where one shot alone says something."""
    if len(said) == 1:
        return np.asarray(largest**2)
    return np.asarray(said.var(axis=0, ddof=1) / len(said))
