"""Uploaded files, whatever their form: read within bounds, refused with the place of what is wrong."""

from ketbase.datasets.types import MAX_UPLOAD_BYTES, UploadFormat
from ketbase.quantum.data.csv_files import read_csv
from ketbase.quantum.data.npz_files import read_npz
from ketbase.quantum.data.parquet_files import read_parquet
from ketbase.quantum.data.problems import invalid
from ketbase.quantum.data.samples import Samples, labelled
from ketbase.quantum.data.table import Table

_BEGINNINGS: tuple[tuple[bytes, UploadFormat | str], ...] = (
    (b"PAR1", "parquet"),
    (b"PK", "npz"),
    (b"\x1f\x8b", "gzip"),
    (b"\x89PNG", "PNG"),
    (b"%PDF", "PDF"),
    (b"\x89HDF", "HDF5"),
    (b"\x93NUMPY", "NPY"),
    (b"\x80\x04\x95", "pickle"),
)


def read_upload(data: bytes, form: UploadFormat | None = None, *, label: str | None = None) -> Samples:
    """Read an uploaded file.

    Args:
        data: all of it.
        form: what it says that it is; told by its beginning, where nobody says.
        label: the column of the labels, the last one where it is not said; not for NPZ.

    Raises:
        InvalidError: `INVALID_DATA`, it is not what it says, or too large, or something in it is no data.
    """
    if len(data) > MAX_UPLOAD_BYTES:
        raise invalid(f"The file has {len(data):,} bytes; at most {MAX_UPLOAD_BYTES:,} are read", given=len(data))
    begins = next((kind for beginning, kind in _BEGINNINGS if data.startswith(beginning)), "csv")
    form = form or (begins if begins in ("npz", "parquet") else "csv")  # type: ignore[assignment]
    if begins != form:
        raise invalid(f"The file is said to be {form}, and begins as {begins} does", expected=form, given=begins)
    table = _table(data, form, label)
    y, classes = labelled(table.labels)
    return Samples(table.x, y, classes, table.names)


def _table(data: bytes, form: UploadFormat, label: str | None) -> Table:
    if form == "csv":
        return read_csv(data, label)
    if form == "parquet":
        return read_parquet(data, label)
    if label is not None:
        raise invalid("An NPZ file has its labels in the array y, and no column of them", column=label)
    return read_npz(data)
