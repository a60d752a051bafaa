"""Uploads as CSV: commas, a first line with the names, UTF-8."""

import csv
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from ketbase.datasets.types import Label
from ketbase.quantum.data.problems import invalid, refuse_size
from ketbase.quantum.data.samples import Floats
from ketbase.quantum.data.table import Table, label_column, label_of, refuse_not_finite

_LONGEST_LINE = 1 << 22
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]{0,17}))(?:\.0+)?")
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})


def read_csv(data: bytes, label: str | None) -> Table:
    """Read a CSV file.

    Raises:
        InvalidError: `INVALID_DATA`, with row and column where there are some.
    """
    names = _names(data)
    place = label_column(names, label)
    refuse_size(max(data.count(b"\n") + (not data.endswith(b"\n")) - 1, 0), len(names) - 1)
    table = _text(data, names)
    refuse_size(table.num_rows, len(names) - 1)
    features = [number for number in range(len(names)) if number != place]
    x = np.empty((table.num_rows, len(features)))
    for column, number in enumerate(features):
        x[:, column] = _numbers(table.column(number), names[number])
    kept = tuple(names[number] for number in features)
    refuse_not_finite(x, kept)
    texts = table.column(place).to_pylist()
    return Table(x, [_label(text, row, names[place]) for row, text in enumerate(texts)], kept)


def _names(data: bytes) -> list[str]:
    first = data.lstrip(b"\xef\xbb\xbf\r\n")[:_LONGEST_LINE].partition(b"\n")[0]
    if not first.strip():
        raise invalid("The file is empty")
    try:
        line = first.decode()
    except UnicodeDecodeError:
        raise invalid("The file is no text in UTF-8", line=1) from None
    if not line.rstrip("\r").replace("\t", " ").isprintable():
        raise invalid("The file is no text", line=1)
    try:
        names = [name.strip() for name in next(csv.reader([line]))]
    except csv.Error as error:
        raise invalid(f"The first line names no columns: {error}", line=1) from None
    _refuse_no_names(names)
    return names


def _refuse_no_names(names: list[str]) -> None:
    """Refuse a first line that holds a sample; columns may be numbered from 0 or 1."""
    numbers = [name for name in names if _is_number(name)]
    if numbers not in (_counted(numbers, 0), _counted(numbers, 1)):
        raise invalid(f"The first line has {numbers[0]!r} as a name; it names the columns", line=1)
    for number, name in enumerate(names):
        if not name or len(name) > 255:
            raise invalid(f"Column {number + 1} has no name, or one of more than 255 characters", line=1)


def _counted(numbers: list[str], first: int) -> list[str]:
    return [str(number) for number in range(first, first + len(numbers))]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _text(data: bytes, names: list[str]) -> Any:
    """Parse the file into columns of text."""
    ragged: list[Any] = []

    def note(row: Any) -> str:
        ragged.append(row)
        return "error"

    # Columns are numbered while they are parsed, so that each is of text, whatever it is called.
    numbered = [str(number) for number in range(len(names))]
    try:
        return pa_csv.read_csv(
            pa.BufferReader(data),
            # Only one thread says in which row it failed.
            read_options=pa_csv.ReadOptions(
                use_threads=False, block_size=_LONGEST_LINE, column_names=numbered, skip_rows=0
            ),
            parse_options=pa_csv.ParseOptions(invalid_row_handler=note),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(numbered, pa.string()), strings_can_be_null=False
            ),
        ).slice(1)
    except pa.ArrowInvalid as error:
        if ragged:
            row, found = ragged[0].number - 1, ragged[0].actual_columns
            raise invalid(
                f"Row {row:,} has {found:,} fields; the first line names {len(names):,}",
                row=row,
                given=found,
                expected=len(names),
            ) from None
        raise invalid(f"The file is no CSV: {str(error)[:200]}") from None


def _numbers(column: Any, name: str) -> Floats:
    trimmed = pc.utf8_trim_whitespace(column)
    try:
        numbers: Floats = pc.cast(trimmed, pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return _numbers_one_by_one(trimmed.to_pylist(), name)
    return numbers


def _numbers_one_by_one(texts: list[str], name: str) -> Floats:
    """Read what the fast way does not, or say where it is no number."""
    numbers = np.empty(len(texts))
    for row, text in enumerate(texts):
        try:
            numbers[row] = float(text)
        except ValueError:
            what = "missing" if text.lower() in _MISSING else f"{text[:50]!r}, no number"
            raise invalid(f"Row {row + 1:,} of column {name!r} is {what}", row=row + 1, column=name) from None
    return numbers


def _label(text: str, row: int, column: str) -> Label:
    stripped = text.strip()
    whole = _WHOLE.fullmatch(stripped)
    return label_of(int(whole[1]) if whole else stripped, row, column)
