"""Uploads as NPZ: a ZIP file with the arrays `x` and `y` in NumPy's form, never unpickled."""

import io
import math
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ketbase.datasets.types import MAX_SAMPLES
from ketbase.quantum.data.problems import invalid, refuse_size
from ketbase.quantum.data.samples import numbered
from ketbase.quantum.data.table import LONGEST_LABEL, Table, label_of, refuse_not_finite

_X_KINDS, _Y_KINDS = "biuf", "biufUS"
_READABLE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_LONGEST_HEADER = 10_000


def read_npz(data: bytes) -> Table:
    """Read an NPZ file.

    Raises:
        InvalidError: `INVALID_DATA`, with the array that is wrong.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            x = _array(archive, "x", _X_KINDS)
            y = _array(archive, "y", _Y_KINDS)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as error:
        raise invalid(f"The file is no NPZ that can be read: {str(error)[:200]}") from None
    if len(x) != len(y):
        raise invalid(f"y holds {len(y):,} labels, and x {len(x):,} samples", array="y")
    names = numbered(x.shape[1])
    refuse_not_finite(x, names)
    labels = [label_of(_text(value), row, "y") for row, value in enumerate(y.tolist())]
    return Table(x if x.dtype == np.uint8 else x.astype(np.float64), labels, names)


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _array(archive: zipfile.ZipFile, name: str, kinds: str) -> NDArray[Any]:
    """Read one array, of which the size is known to be small enough before anything is unpacked."""
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise invalid(f"The file has no array {name!r}: x holds the samples, y the labels", array=name) from None
    if member.compress_type not in _READABLE:
        raise invalid(f"The array {name!r} is packed in a way that NumPy does not write", array=name)
    with archive.open(member) as file:
        try:
            shape, _, dtype = _HEADERS[npy.read_magic(file)](file, max_header_size=_LONGEST_HEADER)
        except (ValueError, KeyError) as error:
            raise invalid(f"{name!r} is no array: {str(error)[:200]}", array=name) from None
    if dtype.kind not in kinds:
        raise invalid(f"The array {name!r} is of the type {str(dtype)[:50]!r}; {_meant(name)}", array=name)
    _refuse_shape(name, shape, dtype)
    with archive.open(member) as file:
        try:
            array: NDArray[Any] = npy.read_array(file, allow_pickle=False, max_header_size=_LONGEST_HEADER)
        except ValueError as error:
            raise invalid(f"{name!r} is no whole array: {str(error)[:200]}", array=name) from None
    return array


def _refuse_shape(name: str, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
    if len(shape) != (2 if name == "x" else 1):
        raise invalid(f"The array {name!r} has the shape {shape}; {_meant(name)}", array=name, shape=list(shape))
    if name == "x":
        refuse_size(*shape)
    elif math.prod(shape) > MAX_SAMPLES or dtype.itemsize > 4 * LONGEST_LABEL:
        raise invalid(
            f"y holds {shape[0]:,} labels of {dtype.itemsize:,} bytes; {MAX_SAMPLES:,} of up to {LONGEST_LABEL} "
            "characters are the most",
            array=name,
        )


def _meant(name: str) -> str:
    if name == "x":
        return "x holds real numbers, a row for each sample and a column for each feature"
    return "y holds one label for each sample, whole numbers or text"
