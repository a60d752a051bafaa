"""The value at no noise, read off the trend of values under more and more of it."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeWarning, curve_fit

from ketbase.backends.experiments import Extrapolation

_DEGREES: dict[Extrapolation, int] = {"linear": 1, "quadratic": 2}

type Vector = NDArray[np.float64]


class NoTrendError(Exception):
    """The values follow no curve of the form that was asked for."""


def extrapolated(
    form: Extrapolation, scales: Sequence[int], values: Vector, errors: Vector, *, settled: float, farthest: float
) -> tuple[float, Vector]:
    """Fit a trend by weighted least squares, and read it at scale 0.

    `linear` and `quadratic` are polynomials in the scale; `exponential` is `settled + a·exp(−b·scale)`, what a
    value does whose state decays to the maximally mixed one.

    Args:
        form: of the trend.
        scales: of the noise.
        values: at each scale.
        errors: their standard errors, none of them 0.
        settled: the value in the maximally mixed state.
        farthest: how far the value can be from that.

    Returns:
        The value at scale 0, and its derivative by each of the values, from which its error follows.

    Raises:
        NoTrendError: no decaying exponential fits, or it leads to an impossible value.
    """
    at = np.array(scales, dtype=float)
    if form == "exponential":
        return _exponential(at, values, errors, settled, farthest)
    powers = np.vander(at, _DEGREES[form] + 1, increasing=True)
    weights = _at_zero(powers, errors, np.eye(1, powers.shape[1])[0])
    return float(weights @ values), weights


def _exponential(
    at: Vector, values: Vector, errors: Vector, settled: float, farthest: float
) -> tuple[float, Vector]:
    distances = values - settled
    if not (np.all(distances > 0) or np.all(distances < 0)):
        raise NoTrendError("the values change their sign")
    slope, start = np.polyfit(at, np.log(np.abs(distances)), 1, w=np.abs(distances) / errors)
    guess = (np.sign(distances[0]) * np.exp(start), -slope)
    try:
        with warnings.catch_warnings(action="error", category=OptimizeWarning), np.errstate(over="ignore"):
            (a, b), _ = curve_fit(_decaying, at, distances, guess, errors)
    except (RuntimeError, ValueError, OptimizeWarning) as problem:
        raise NoTrendError("the fit does not converge") from problem
    if b < 0:
        raise NoTrendError("the values do not decay")
    if abs(a) > 2 * farthest:  # a little too far is chance, and cutting it off would lean the others
        raise NoTrendError(f"it leads to {settled + a:.6g}, which is impossible")
    slopes = np.stack([np.exp(-b * at), -a * at * np.exp(-b * at)], axis=1)
    return float(settled + a), _at_zero(slopes, errors, np.array([1.0, 0.0]))


def _decaying(scale: Vector, a: float, b: float) -> Vector:
    return np.asarray(a * np.exp(-b * scale))


def _at_zero(slopes: Vector, errors: Vector, at_zero: Vector) -> Vector:
    """The derivative of a fitted curve's value at 0 by each of the fitted values.

    Args:
        slopes: of the curve at each scale by each of its parameters, shape (scales, parameters).
        errors: of the values, shape (scales,).
        at_zero: slopes at scale 0, shape (parameters,).
    """
    return np.asarray(at_zero @ np.linalg.pinv(slopes / errors[:, None]) / errors)
