"""Expectation values from counts, with their standard errors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketbase.backends.bases import Basis, bases_of
from ketbase.backends.experiments import (
    Estimate,
    ExpectationValue,
    Experiment,
    Observable,
    Variant,
    ZeroNoiseExtrapolation,
)
from ketbase.errors import ExecutionError
from ketbase.quantum.engines import Counts
from ketbase.quantum.experiments.extrapolation import NoTrendError, extrapolated
from ketbase.quantum.experiments.outcomes import outcomes
from ketbase.quantum.experiments.readout import Readout

_ROUNDING = 1e-12
"""What rounding leaves of the spread of shots that agree."""
_LARGEST = 300.0
"""The logarithm of the largest value of an outcome; its square is still a number."""

type Array = NDArray[np.float64]


def evaluate(
    variants: Sequence[Variant], counts: Sequence[Counts], experiment: Experiment
) -> tuple[ExpectationValue, ...]:
    """Estimate the experiment's observables, if it has any, from the counts of its circuits.

    Standard errors come from the spread of the shots, of all terms measured in one basis together, so that what
    they have in common counts; and from that of the circuits that calibrate readout. Where all shots of a basis
    agree, which is no certainty, it is as much as one that says the opposite would move their mean.

    Args:
        variants: what each circuit was for.
        counts: what each gave.
        experiment: what was asked.

    Raises:
        ExecutionError: `INCOMPLETE_RESULT`.
    """
    if not experiment.observables:
        return ()
    if len(counts) != len(variants) or not all(map(any, map(dict.values, counts))):
        raise ExecutionError("INCOMPLETE_RESULT", f"{len(variants)} circuits gave {len(counts)} results with shots")
    evaluation = _Evaluation(variants, counts, experiment)
    return tuple(value for number in range(len(experiment.parameters)) for value in evaluation.under(number))


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of all observables under one scale of the noise.

    Attributes:
        mean: shape (observables,).
        variance: of the shots alone, shape (observables,).
        slopes: by each qubit's probabilities of misreading 0 and 1, shape (observables, qubits, 2).
    """

    mean: Array
    variance: Array
    slopes: Array

    def estimate(self, observable: int, readout: Readout) -> Estimate:
        return _estimate(self.mean[observable], self.variance[observable], self.slopes[observable], readout)


class _Evaluation:
    def __init__(self, variants: Sequence[Variant], counts: Sequence[Counts], experiment: Experiment):
        self._observables = experiment.observables
        self._zne = experiment.mitigation.zne
        self._n_qubits = self._observables[0].n_qubits
        self._bases = {
            basis.letters: _Reading.of(basis, self._observables) for basis in bases_of(self._observables)
        }
        self._constant = np.array([_identity(observable) for observable in self._observables])
        self._counts = {
            (variant.parameters, variant.scale, variant.basis): each
            for variant, each in zip(variants, counts, strict=True)
            if variant.prepared is None
        }
        self._unread = Readout.ideal(self._n_qubits)
        calibrations = {variant.prepared: each for variant, each in zip(variants, counts, strict=True)}
        self._readout = None
        if experiment.mitigation.readout:
            in_use = sorted({qubit for reading in self._bases.values() for qubit in reading.qubits})
            self._readout = Readout.calibrated(calibrations[0], calibrations[1], in_use, self._n_qubits)

    def under(self, parameters: int) -> Iterator[ExpectationValue]:
        """Estimate each observable under one parameter set."""
        readout = self._readout or self._unread
        scales = (1,) if self._zne is None else self._zne.scales
        raw = self._values(parameters, 1, self._unread)
        better = [
            raw if scale == 1 and readout is self._unread else self._values(parameters, scale, readout)
            for scale in scales
        ]
        for number, observable in enumerate(self._observables):
            mitigated, scaled, notes = None, None, list(self._notes)
            if self._zne is not None:
                scaled = {scale: each.estimate(number, readout) for scale, each in zip(scales, better, strict=True)}
                mitigated, note = self._at_no_noise(number, self._zne, better, readout)
                notes += filter(None, [note])
            elif self._readout is not None:
                mitigated = better[0].estimate(number, readout)
            yield ExpectationValue(
                observable=number,
                parameters=parameters,
                name=observable.name,
                raw=raw.estimate(number, self._unread),
                mitigated=mitigated,
                scaled=scaled,
                note="; ".join(notes) or None,
            )

    @property
    def _notes(self) -> Iterator[str]:
        if self._readout is not None and self._readout.blind:
            qubits = ", ".join(map(str, self._readout.blind))
            yield f"the readout of qubits {qubits} says next to nothing of their state and was left as it is"

    def _values(self, parameters: int, scale: int, readout: Readout) -> _Values:
        mean, variance = self._constant.copy(), np.zeros(len(self._observables))
        slopes = np.zeros((len(self._observables), self._n_qubits, 2))
        for letters, reading in self._bases.items():
            part = reading.values(self._counts[parameters, scale, letters], readout)
            mean += part.mean
            variance += part.variance
            slopes += part.slopes
        return _Values(mean, variance, slopes)

    def _at_no_noise(
        self, observable: int, zne: ZeroNoiseExtrapolation, scaled: Sequence[_Values], readout: Readout
    ) -> tuple[Estimate, str | None]:
        values = np.array([each.mean[observable] for each in scaled])
        variances = np.array([each.variance[observable] for each in scaled])
        settled = self._constant[observable]
        farthest = sum(map(abs, self._observables[observable].terms.values())) - abs(settled)
        if not variances.all():  # nothing but the identity
            return scaled[0].estimate(observable, readout), None
        errors = np.sqrt(variances)
        bounds = {"settled": settled, "farthest": farthest}
        note = None
        try:
            value, weights = extrapolated(zne.extrapolation, zne.scales, values, errors, **bounds)
        except NoTrendError as problem:
            value, weights = extrapolated("linear", zne.scales, values, errors, **bounds)
            note = f"extrapolated linearly: no exponential fits, {problem}"
        slopes = np.tensordot(weights, np.stack([each.slopes[observable] for each in scaled]), 1)
        return _estimate(value, float(weights**2 @ variances), slopes, readout), note


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the terms of one basis are read off its outcomes.

    Attributes:
        acts: whether a term acts on a qubit, shape (qubits, terms).
        coefficients: of the terms in each observable, shape (terms, observables).
    """

    acts: Array
    coefficients: Array

    @classmethod
    def of(cls, basis: Basis, observables: Sequence[Observable]) -> "_Reading":
        acts = [[float(letter != "I") for letter in reversed(term)] for term in basis.terms]
        coefficients = [[each.terms.get(term, 0.0) for each in observables] for term in basis.terms]
        return cls(np.array(acts).T, np.array(coefficients))

    @property
    def qubits(self) -> list[int]:
        return [int(qubit) for qubit in np.flatnonzero(self.acts.any(axis=1))]

    def values(self, counts: Counts, readout: Readout) -> _Values:
        """Average over the shots what each of them says of each observable."""
        shots = sum(counts.values())
        n_qubits, n_terms = self.acts.shape
        mean, square = (np.zeros(self.coefficients.shape[1]) for _ in range(2))
        if_0, if_1 = (np.zeros((n_qubits, n_terms)) for _ in range(2))
        of_0, of_1 = np.log(np.abs(readout.values)).T
        for bits, times in outcomes(counts, max(n_qubits, n_terms)):
            share = times / shots
            odd = bits @ self.acts % 2
            size = of_0 @ self.acts + bits @ ((of_1 - of_0)[:, None] * self.acts)
            terms = (1 - 2 * odd) * np.exp(np.minimum(size, _LARGEST))  # what each outcome says of each term
            said = terms @ self.coefficients
            mean += share @ said
            square += share @ said**2
            if readout.corrects:
                weighted = share[:, None] * terms
                if_1 += bits.T @ weighted
                if_0 += (1 - bits).T @ weighted
        most = np.exp(np.minimum(np.maximum(of_0, of_1) @ self.acts, _LARGEST)) @ np.abs(self.coefficients)
        spread = square - mean**2
        agree = spread <= _ROUNDING * square
        variance = np.where(agree, (most * min(1.0, 2 / shots)) ** 2, spread / max(shots - 1, 1))
        return _Values(mean, variance, self._slopes(if_0, if_1, readout))

    def _slopes(self, if_0: Array, if_1: Array, readout: Readout) -> Array:
        # Of a product, the derivative by one factor's parameter is the product times the factor's own over itself.
        relative = readout.slopes / readout.values[:, :, None]
        by_term = if_0[:, None] * relative[:, 0, :, None] + if_1[:, None] * relative[:, 1, :, None]
        return np.moveaxis((by_term * self.acts[:, None]) @ self.coefficients, -1, 0)


def _identity(observable: Observable) -> float:
    return observable.terms.get("I" * observable.n_qubits, 0.0)


def _estimate(value: float, variance: float, slopes: Array, readout: Readout) -> Estimate:
    calibration = float(np.sum(slopes**2 * readout.variances))
    return Estimate(value=float(value), standard_error=float(np.sqrt(variance + calibration)))
