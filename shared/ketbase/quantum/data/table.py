"""What all forms of uploads are read into: columns of numbers, and the labels."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ketbase.datasets.types import Label
from ketbase.quantum.data.problems import invalid
from ketbase.quantum.data.samples import Floats

LARGEST = 1e100
"""The greatest magnitude of a number: its square can still be summed up."""
LONGEST_LABEL = 255


class Table(NamedTuple):
    """A file that was read.

    Attributes:
        x: shape (samples, features).
        labels: one for each sample.
        names: of the features.
    """

    x: Floats
    labels: Sequence[Label]
    names: tuple[str, ...]


def label_column(names: Sequence[str], label: str | None) -> int:
    """Find the column of the labels; the last one, where none is named.

    Raises:
        InvalidError: `INVALID_DATA`, there is no such column, one name twice, or no column beside it.
    """
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise invalid(f"{times} columns are called {name!r}", column=name)
    if len(names) < 2:
        raise invalid(
            f"There is one column, {names[0]!r}; a column for each feature and one for the label are needed, "
            "with commas between them",
            column=names[0],
        )
    if label is None:
        return len(names) - 1
    if label not in names:
        raise invalid(f"There is no column {label!r}", column=label, columns=list(names[:100]))
    return list(names).index(label)


def refuse_not_finite(x: NDArray[Any], names: Sequence[str]) -> None:
    """Refuse numbers with which nothing can be computed.

    Raises:
        InvalidError: `INVALID_DATA`, with the row and the column of the first.
    """
    if x.dtype.kind != "f":
        return
    for number, column in enumerate(x.T):
        wrong = ~(np.abs(column) <= LARGEST)
        if wrong.any():
            row = int(wrong.argmax())
            raise invalid(
                f"Row {row + 1:,} of column {names[number]!r} is {column[row]}; numbers are finite, and "
                f"{LARGEST:g} at most",
                row=row + 1,
                column=names[number],
            )


def label_of(value: Any, row: int, column: str) -> Label:
    """Take a value as a label: a whole number, or text.

    Args:
        value: as it was read.
        row: its, from 0.
        column: its name.

    Raises:
        InvalidError: `INVALID_DATA`, it is neither.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    if isinstance(value, str) and 0 < len(value) <= LONGEST_LABEL and value.isprintable():
        return value
    what = "missing" if value is None or value == "" else f"{str(value)[:50]!r}"
    raise invalid(
        f"The label in row {row + 1:,} is {what}; labels are whole numbers or text of up to {LONGEST_LABEL} "
        "characters",
        row=row + 1,
        column=column,
    )
