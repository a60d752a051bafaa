"""Numbers that carry what they change by: arithmetic on them differentiates a formula, for a whole batch at once."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

type Values = NDArray[np.float64]


class Dual:
    """A number for each sample of a batch, with its partial derivatives.

    Attributes:
        value: the numbers, of any shape that fits with the others'.
        partials: for each name on which they depend, the derivative.
    """

    __slots__ = ("partials", "value")

    def __init__(self, value: Any, partials: Mapping[str, Values] | None = None):
        self.value: Values = np.asarray(value, dtype=float)
        self.partials = partials or {}

    def _chained(self, value: Values, slope: Values) -> "Dual":
        return Dual(value, {name: slope * partial for name, partial in self.partials.items()})

    def _combined(self, other: "Dual", value: Values, own: Any, others: Any) -> "Dual":
        partials = {name: own * partial for name, partial in self.partials.items()}
        for name, partial in other.partials.items():
            partials[name] = partials.get(name, 0.0) + others * partial
        return Dual(value, partials)

    def __add__(self, other: Any) -> "Dual":
        other = _dual(other)
        return self._combined(other, self.value + other.value, 1.0, 1.0)

    def __sub__(self, other: Any) -> "Dual":
        return self + -_dual(other)

    def __mul__(self, other: Any) -> "Dual":
        other = _dual(other)
        return self._combined(other, self.value * other.value, other.value, self.value)

    def __truediv__(self, other: Any) -> "Dual":
        other = _dual(other)
        return self * other._chained(1 / other.value, -1 / other.value**2)

    def __pow__(self, other: Any) -> "Dual":
        other = _dual(other)
        if other.partials:
            return (self.log() * other).exp()
        exponent = other.value
        return self._chained(
            self.value**exponent, np.where(exponent == 0, 0.0, exponent * self.value ** (exponent - 1))
        )

    def __neg__(self) -> "Dual":
        return self._chained(-self.value, np.asarray(-1.0))

    def __pos__(self) -> "Dual":
        return self

    __radd__ = __add__

    def __rsub__(self, other: Any) -> "Dual":
        return _dual(other) - self

    __rmul__ = __mul__

    def __rtruediv__(self, other: Any) -> "Dual":
        return _dual(other) / self

    def __rpow__(self, other: Any) -> "Dual":
        return _dual(other) ** self

    def __abs__(self) -> "Dual":
        return self._chained(np.abs(self.value), np.sign(self.value))

    sin, cos, tan, exp, log, arcsin, arccos, arctan = (
        (lambda function, slope: lambda self: self._chained(function(self.value), slope(self.value)))(*pair)
        for pair in (
            (np.sin, np.cos),
            (np.cos, lambda value: -np.sin(value)),
            (np.tan, lambda value: 1 / np.cos(value) ** 2),
            (np.exp, np.exp),
            (np.log, lambda value: 1 / value),
            (np.arcsin, lambda value: 1 / np.sqrt(1 - value**2)),
            (np.arccos, lambda value: -1 / np.sqrt(1 - value**2)),
            (np.arctan, lambda value: 1 / (1 + value**2)),
        )
    )


def _dual(number: Any) -> Dual:
    return number if isinstance(number, Dual) else Dual(number)


type Elementary = Callable[[Dual], Dual]
