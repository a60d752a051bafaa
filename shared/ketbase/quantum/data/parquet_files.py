"""Uploads as Parquet: a column for each feature, one for the labels."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ketbase.quantum.data.problems import invalid, refuse_size
from ketbase.quantum.data.samples import Floats
from ketbase.quantum.data.table import Table, label_column, label_of, refuse_not_finite

_MAX_UNPACKED = 1_000_000_000
"""What all columns may say that they have, in bytes."""
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
_LABELS = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_string,
    pa.types.is_large_string,
)


def read_parquet(data: bytes, label: str | None) -> Table:
    """Read a Parquet file.

    Raises:
        InvalidError: `INVALID_DATA`, with row and column where there are some.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        names, place = _checked(file, label)
        # Text stays numbered by the file: one long text for all rows would be unpacked as often.
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=[names[place]])
        table = file.read(use_threads=False)
        table.validate()
    except (pa.ArrowException, OSError) as error:
        raise invalid(f"The file is no Parquet that can be read: {str(error)[:200]}") from None
    features = [number for number in range(len(names)) if number != place]
    refuse_size(table.num_rows, len(features))
    x = np.empty((table.num_rows, len(features)))
    for column, number in enumerate(features):
        x[:, column] = _numbers(table.column(number), names[number])
    kept = tuple(names[number] for number in features)
    refuse_not_finite(x, kept)
    return Table(x, _labels(table.column(place), names[place]), kept)


def _checked(file: Any, label: str | None) -> tuple[list[str], int]:
    """Refuse what is too large or of the wrong type, as far as the file says it itself."""
    schema, metadata = file.schema_arrow, file.metadata
    names = list(schema.names)
    place = label_column(names, label)
    refuse_size(metadata.num_rows, len(names) - 1)
    for number, field in enumerate(schema):
        kinds, kind = (_LABELS, _plain(field.type)) if number == place else (_NUMBERS, field.type)
        if not any(is_kind(kind) for is_kind in kinds):
            what = "labels are whole numbers or text" if number == place else "features are numbers"
            raise invalid(f"Column {field.name!r} is of the type {str(field.type)[:50]}; {what}", column=field.name)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    # What is read follows the groups, whatever the file says of itself as a whole.
    rows = [group.num_rows for group in groups]
    values = {
        group.column(number).num_values - group.num_rows for group in groups for number in range(group.num_columns)
    }
    if sum(rows) != metadata.num_rows or min(rows, default=0) < 0 or values - {0}:
        raise invalid("The file contradicts itself about how many rows it holds")
    unpacked = sum(
        max(group.column(number).total_uncompressed_size, 0)
        for group in groups
        for number in range(group.num_columns)
    )
    if unpacked > _MAX_UNPACKED:
        raise invalid(f"The file unpacks to {unpacked:,} bytes; {_MAX_UNPACKED:,} are the most", given=unpacked)
    return names, place


def _plain(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _numbers(column: Any, name: str) -> Floats:
    if column.null_count:
        row = column.combine_chunks().is_null().index(pa.scalar(True)).as_py()
        raise invalid(f"Row {row + 1:,} of column {name!r} is missing", row=row + 1, column=name)
    try:
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        numbers: Floats = column.cast(pa.float64(), safe=False).to_numpy()
    except pa.ArrowException as error:
        raise invalid(f"Column {name!r} holds no numbers: {str(error)[:200]}", column=name) from None
    return numbers


def _labels(column: Any, name: str) -> list[Any]:
    values = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        return _numbered_labels(values, name)
    return [label_of(value, row, name) for row, value in enumerate(values.to_pylist())]


def _numbered_labels(values: Any, name: str) -> list[Any]:
    """Check each different label once, in the row where it is first."""
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    labels: list[Any] = []
    for chunk in chunks:
        words = chunk.dictionary.to_pylist()
        known: dict[int | None, Any] = {}
        for index in chunk.indices.to_pylist():
            if index not in known:
                known[index] = label_of(None if index is None else words[index], len(labels), name)
            labels.append(known[index])
    return labels
