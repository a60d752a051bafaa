"""Numbers that carry what they change by: arithmetic on them differentiates a formula, for a whole batch."""

from collections.abc import Mapping
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
        addend = _dual(other)
        return self._combined(addend, self.value + addend.value, 1.0, 1.0)

    def __sub__(self, other: Any) -> "Dual":
        return self + -_dual(other)

    def __mul__(self, other: Any) -> "Dual":
        factor = _dual(other)
        return self._combined(factor, self.value * factor.value, factor.value, self.value)

    def __truediv__(self, other: Any) -> "Dual":
        divisor = _dual(other)
        return self * divisor._chained(1 / divisor.value, -1 / divisor.value**2)

    def __pow__(self, other: Any) -> "Dual":
        power = _dual(other)
        if power.partials:
            return (self.log() * power).exp()
        exponent = power.value
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

    def sin(self) -> "Dual":
        """Elementary functions, by the names that formulas give them."""
        return self._chained(np.sin(self.value), np.cos(self.value))

    def cos(self) -> "Dual":
        """See `sin`, as for all that follow."""
        return self._chained(np.cos(self.value), -np.sin(self.value))

    def tan(self) -> "Dual":
        """See `sin`."""
        return self._chained(np.tan(self.value), 1 / np.cos(self.value) ** 2)

    def exp(self) -> "Dual":
        """See `sin`."""
        return self._chained(np.exp(self.value), np.exp(self.value))

    def log(self) -> "Dual":
        """See `sin`."""
        return self._chained(np.log(self.value), 1 / self.value)

    def arcsin(self) -> "Dual":
        """See `sin`."""
        return self._chained(np.arcsin(self.value), 1 / np.sqrt(1 - self.value**2))

    def arccos(self) -> "Dual":
        """See `sin`."""
        return self._chained(np.arccos(self.value), -1 / np.sqrt(1 - self.value**2))

    def arctan(self) -> "Dual":
        """See `sin`."""
        return self._chained(np.arctan(self.value), 1 / (1 + self.value**2))


def _dual(number: Any) -> Dual:
    return number if isinstance(number, Dual) else Dual(number)
