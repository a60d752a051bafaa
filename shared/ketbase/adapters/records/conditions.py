"""The records port's conditions, decided in Python for stores that do not decide them themselves."""

from typing import Any

from ketbase.ports.records import Absent, AtMost, Condition, Equals, OneOf, Present, Scalar, Values


def holds(condition: Condition, values: Values | None) -> bool:
    """Decide a condition on an item's values; `None` stands for a missing or expired item."""
    match condition:
        case Absent():
            return values is None
        case Present():
            return values is not None
        case Equals(name, value):
            return values is not None and name in values and _same(values[name], value)
        case OneOf(name, choices):
            return values is not None and name in values and any(_same(values[name], c) for c in choices)
        case AtMost(name, bound):
            number = 0 if values is None else values.get(name, 0)
            return is_integer(number) and number <= bound


def is_integer(value: Any) -> bool:
    """Tell an integer from everything else, `True` and `False` included."""
    return isinstance(value, int) and not isinstance(value, bool)


def _same(stored: Any, scalar: Scalar) -> bool:
    if isinstance(scalar, str):
        return isinstance(stored, str) and stored == scalar
    if isinstance(scalar, bool):
        return stored is scalar
    return is_integer(stored) and bool(stored == scalar)
