"""Images in the IDX form of MNIST (http://yann.lecun.com/exdb/mnist/), as an installation keeps them."""

import gzip
import io
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketbase.datasets.types import MAX_SAMPLES
from ketbase.errors import InvalidError
from ketbase.ports.images import Images
from ketbase.quantum.data.samples import Samples, numbered

MAX_PIXELS = 1 << 16
"""Of one image."""
_UBYTE = 0x08
_FILES = {"train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
          "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")}  # fmt: skip
_CLASSES = tuple(range(10))


def images(name: str, where: Images | None) -> Samples:
    """Read `mnist` or `fashion_mnist`; the images published for testing come last.

    Args:
        name: of the data set.
        where: the files are.

    Raises:
        InvalidError: `DATA_NOT_THERE`, the installation has no such files; `INVALID_DATA`, they are no IDX files,
            or do not fit together.
    """
    (train, train_labels), (test, test_labels) = (_pair(name, where, part) for part in _FILES)
    if train.shape[1:] != test.shape[1:]:
        raise _invalid(name, f"images of {train.shape[1:]} pixels do not go with images of {test.shape[1:]}")
    pixels = np.concatenate((train, test)).reshape(len(train) + len(test), -1)
    labels = np.concatenate((train_labels, test_labels))
    if labels.size and labels.max() >= len(_CLASSES):
        raise _invalid(name, f"the label {labels.max()} is none of 0 to 9")
    return Samples(pixels, labels.astype(np.int64), _CLASSES, numbered(pixels.shape[1]), len(test))


def _pair(name: str, where: Images | None, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images, labels = (
        _array(_found(f"{name}/{file}", where), file, n_axes=axes)
        for file, axes in zip(_FILES[part], (3, 1), strict=True)
    )
    if len(images) != len(labels):
        raise _invalid(_FILES[part][1], f"{len(labels):,} labels do not go with {len(images):,} images")
    return images, labels


def _found(path: str, where: Images | None) -> bytes:
    if where is not None:
        for name in (path, f"{path}.gz"):
            data = where.read(name)
            if data is not None:
                return data
    raise InvalidError(
        "DATA_NOT_THERE",
        f"This installation has no file {path}[.gz]: KETBASE_DATASETS_URL says where such files lie.",
        field="dataset.type",
        file=path,
    )


def _array(data: bytes, name: str, *, n_axes: int) -> NDArray[np.uint8]:
    """Read an IDX file: two zero bytes, the type, the number of axes, their lengths, and the numbers."""
    try:
        packed = io.BytesIO(data)
        file: Any = gzip.GzipFile(fileobj=packed) if data[:2] == b"\x1f\x8b" else packed
        head = file.read(4 + 4 * n_axes)
        if len(head) < 4 + 4 * n_axes or head[:4] != bytes((0, 0, _UBYTE, n_axes)):
            raise _invalid(name, f"it does not begin as an IDX file of {n_axes} axes of unsigned bytes")
        shape = [int(length) for length in np.frombuffer(head, ">u4", offset=4)]
        if shape[0] > MAX_SAMPLES or math.prod(shape[1:]) > MAX_PIXELS:
            raise _invalid(name, f"it says that it holds {shape}; {MAX_SAMPLES:,} times {MAX_PIXELS:,} is the most")
        size = math.prod(shape)
        # One byte more than it may have: what is larger than it says is refused without being unpacked.
        body = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _invalid(name, f"it cannot be unpacked: {error}") from None
    if len(body) != size:
        raise _invalid(name, f"it says that it holds {shape}, and holds {'more' if len(body) > size else 'less'}")
    return np.frombuffer(body, np.uint8).reshape(shape)


def _invalid(name: str, problem: str) -> InvalidError:
    return InvalidError("INVALID_DATA", f"{name}: {problem}.", field="dataset.type", file=name)
