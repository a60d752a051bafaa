"""Metadata as rows of SQLite's table of labels, and conditions on them as SQL.

Everything put into the texts is a constant of this module; what callers say goes in as arguments.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from ketbase.ports.vectors import AtLeast, AtMost, Condition, Equals, Label, OneOf


def values_of(label: Label) -> Iterable[float | str | bytes]:
    """Write what a label stands for so that values of two kinds never equal each other in SQLite."""
    if isinstance(label, tuple):
        return label
    if isinstance(label, bool):
        return (bytes([label]),)
    return (label if isinstance(label, str) else float(label),)


def passing_labels(space: int, where: Sequence[Condition], *, of_few: bool = False) -> tuple[str, list[Any]]:
    """Write the condition of a query on `vectors`, and its arguments, that leaves what passes all of `where`.

    All that passes is looked up in the table of labels, or, with `of_few`, the labels of each vector that is left:
    the plus sign keeps SQLite from the primary key, so that it goes by the vector's own key.
    """
    text = "space = ?"
    arguments: list[Any] = [space]
    for condition in where:
        held, values = _held(condition)
        labelled = f"FROM labels WHERE {'+' if of_few else ''}space = ? AND name = ? AND {held}"
        if of_few:
            text += f" AND EXISTS (SELECT 1 {labelled} AND key = vectors.key)"
        else:
            text += f" AND key IN (SELECT key {labelled})"
        arguments += [space, condition.name, *values]
    return text, arguments


def _held(condition: Condition) -> tuple[str, list[Any]]:
    match condition:
        case Equals(value=value):
            return "value = ?", [*values_of(value)]
        case OneOf(values=values):
            return f"value IN ({', '.join('?' * len(values))})", [each for one in values for each in values_of(one)]
        case AtLeast(bound=bound):
            return "value >= ? AND value < ''", [float(bound)]  # every number sorts before every text
        case AtMost(bound=bound):
            return "value <= ?", [float(bound)]
