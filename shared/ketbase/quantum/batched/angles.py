"""Angles from parameters and features, and back: what a change of each angle means for the parameters."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketbase.circuits import expressions
from ketbase.circuits.types import Angle
from ketbase.errors import InvalidCircuitError
from ketbase.quantum.batched.duals import Dual

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the value of an angle is found.

    Attributes:
        number: the row among the shared angles, or among those that each sample has of its own.
        per_sample: which of the two.
        trainable: whether it changes with a trainable parameter.
    """

    number: int
    per_sample: bool
    trainable: bool


class Angles:
    """The different angles of a circuit.

    An angle without features is shared by all samples. Those that are linear in the parameters, or in the features,
    which nearly all are, come from one matrix product; the others are evaluated, and differentiated, one by one.

    Attributes:
        parameters: names of the trainable parameters, in the order of all arrays.
        features: names of the features, likewise.
        slots: for each angle that was asked for, where it is.
    """

    def __init__(self, angles: Iterable[Angle], parameters: Sequence[str], features: Sequence[str]):
        self.parameters = tuple(parameters)
        self.features = tuple(features)
        self.slots: dict[Angle, Slot] = {}
        self._columns = {name: number for number, name in enumerate((*self.parameters, *self.features))}
        shared: list[Angle] = []
        own: list[Angle] = []
        for angle in dict.fromkeys(angles):
            names = expressions.names(angle) if isinstance(angle, str) else frozenset()
            per_sample = not names.isdisjoint(self.features)
            rows = own if per_sample else shared
            self.slots[angle] = Slot(len(rows), per_sample, not names.isdisjoint(self.parameters))
            rows.append(angle)
        self._shared, self._own = (self._tabled(rows) for rows in (shared, own))

    @property
    def n_shared(self) -> int:
        """How many angles all samples share."""
        return len(self._shared.constants)

    @property
    def n_own(self) -> int:
        """How many angles each sample has of its own."""
        return len(self._own.constants)

    def values(self, parameters: Floats, features: Floats) -> tuple[Floats, Floats]:
        """Give all angles.

        Args:
            parameters: shape (n_parameters,).
            features: shape (batch, n_features).

        Returns:
            The shared ones, shape (n_shared,), and each sample's own, shape (n_own, batch); radians.

        Raises:
            InvalidCircuitError: `INVALID_PARAMETER`, an angle has no finite value here.
        """
        split = len(self.parameters)
        shared = self._shared.constants + self._shared.linear[:, :split] @ parameters
        own = self._own.linear[:, split:] @ features.T
        own += (self._own.constants + self._own.linear[:, :split] @ parameters)[:, None]
        if self._shared.formulas or self._own.formulas:
            known = self._known(parameters, features)
            for number, formula in self._shared.formulas:
                shared[number] = _evaluated(formula, known).value
            for number, formula in self._own.formulas:
                own[number] = _evaluated(formula, known).value
        if not (np.isfinite(shared).all() and np.isfinite(own).all()):
            raise InvalidCircuitError("INVALID_PARAMETER", "An angle of the circuit has no finite value.")
        return shared, own

    def pulled_back(self, parameters: Floats, features: Floats, of_shared: Floats, of_own: Floats) -> Floats:
        """Turn derivatives with respect to angles into those with respect to parameters.

        Args:
            parameters: shape (n_parameters,).
            features: shape (batch, n_features).
            of_shared: derivatives with respect to the shared angles, shape (n_shared,).
            of_own: with respect to each sample's own, shape (n_own, batch).

        Returns:
            Shape (n_parameters,).
        """
        split = len(self.parameters)
        gradient: Floats = of_shared @ self._shared.linear[:, :split]
        gradient += of_own.sum(axis=1) @ self._own.linear[:, :split]
        if self._shared.formulas or self._own.formulas:
            known = self._known(parameters, features)
            for table, derivatives in ((self._shared, of_shared), (self._own, of_own)):
                for number, formula in table.formulas:
                    for name, partial in _evaluated(formula, known).partials.items():
                        gradient[self._columns[name]] += np.sum(partial * derivatives[number])
        return gradient

    def jacobian(self, parameters: Floats, features: Floats) -> Floats:
        """Give the derivatives of all angles of one sample: of the shared ones, then of its own.

        Args:
            parameters: shape (n_parameters,).
            features: of the sample, shape (n_features,).

        Returns:
            Shape (n_shared + n_own, n_parameters).
        """
        split = len(self.parameters)
        jacobians = []
        for table in (self._shared, self._own):
            jacobian = table.linear[:, :split].copy()
            for number, formula in table.formulas:
                for name, partial in _evaluated(formula, self._known(parameters, features[None])).partials.items():
                    jacobian[number, self._columns[name]] = partial.item()
            jacobians.append(jacobian)
        return np.concatenate(jacobians)

    def _known(self, parameters: Floats, features: Floats) -> dict[str, Dual]:
        one = np.ones(())
        known = {name: Dual(value, {name: one}) for name, value in zip(self.parameters, parameters, strict=True)}
        return known | {name: Dual(column) for name, column in zip(self.features, features.T, strict=True)}

    def _tabled(self, angles: Sequence[Angle]) -> "_Table":
        table = _Table(np.zeros((len(angles), len(self._columns))), np.zeros(len(angles)), [])
        for number, angle in enumerate(angles):
            if not isinstance(angle, str):
                table.constants[number] = angle
                continue
            try:
                linear = expressions.evaluate(
                    angle, {name: _Linear({name: 1.0}) for name in expressions.names(angle)}
                )
            except (_NotLinearError, ValueError):
                table.formulas.append((number, angle))
                continue
            linear = linear if isinstance(linear, _Linear) else _Linear({}, float(linear))
            table.constants[number] = linear.constant
            for name, slope in linear.slopes.items():
                table.linear[number, self._columns[name]] = slope
        return table


@dataclass(frozen=True, slots=True)
class _Table:
    linear: Floats
    constants: Floats
    formulas: list[tuple[int, str]]


class _NotLinearError(Exception):
    """A formula is more than a sum of multiples."""


class _Linear:
    """A sum of multiples of named numbers, and a constant."""

    __slots__ = ("constant", "slopes")

    def __init__(self, slopes: dict[str, float], constant: float = 0.0):
        self.slopes = slopes
        self.constant = constant

    def __add__(self, other: "_Linear | float") -> "_Linear":
        if not isinstance(other, _Linear):
            return _Linear(self.slopes, self.constant + other)
        names = self.slopes | other.slopes
        total = {name: self.slopes.get(name, 0.0) + other.slopes.get(name, 0.0) for name in names}
        return _Linear(total, self.constant + other.constant)

    def __mul__(self, other: "_Linear | float") -> "_Linear":
        if isinstance(other, _Linear):
            raise _NotLinearError
        return _Linear({name: slope * other for name, slope in self.slopes.items()}, self.constant * other)

    def __sub__(self, other: "_Linear | float") -> "_Linear":
        return self + -other

    def __truediv__(self, other: "_Linear | float") -> "_Linear":
        if isinstance(other, _Linear):
            raise _NotLinearError
        return _Linear({name: slope / other for name, slope in self.slopes.items()}, self.constant / other)

    def __neg__(self) -> "_Linear":
        return self * -1.0

    def __pos__(self) -> "_Linear":
        return self

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: float) -> "_Linear":
        return -self + other

    def _refuse(self, *_: object) -> "_Linear":
        raise _NotLinearError

    __pow__ = __rpow__ = __rtruediv__ = __abs__ = _refuse
    sin = cos = tan = exp = log = arcsin = arccos = arctan = _refuse


def _evaluated(formula: str, known: dict[str, Dual]) -> Dual:
    with np.errstate(all="ignore"):
        try:
            found: Dual = expressions.evaluate(formula, known)
        except ValueError as problem:
            raise InvalidCircuitError("INVALID_PARAMETER", str(problem), formula=formula) from problem
    if not np.isfinite(found.value).all() or not all(np.isfinite(each).all() for each in found.partials.values()):
        raise InvalidCircuitError(
            "INVALID_PARAMETER",
            f"{formula!r} has no finite value for some sample, or no finite slope.",
            formula=formula,
        )
    return found
