"""Images in IDX form are read as they are, and refused where they are none."""

import gzip
import struct

import numpy as np
import pytest

from ketbase.datasets.types import DataSpec
from ketbase.errors import InvalidError
from ketbase.quantum.data.loading import load
from ketbase.quantum.data.splits import divide

SPEC = DataSpec(type="mnist", train_size=20, val_size=10, test_size=10)


def idx(array: np.ndarray, *, kind: int = 0x08) -> bytes:
    return bytes((0, 0, kind, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


class Folder(dict[str, bytes]):
    def read(self, path: str) -> bytes | None:
        return self.get(path)


def folder(name: str = "mnist", *, packed: bool = False) -> Folder:
    rng = np.random.default_rng(1)
    files = Folder()
    for part, count in (("train", 60), ("t10k", 20)):
        labels = np.arange(count, dtype=np.uint8) % 10
        images = rng.integers(0, 200, (count, 4, 3), dtype=np.uint8)
        images[:, 0, 0] = labels
        images[:, 0, 1] = part == "t10k"
        files[f"{name}/{part}-images-idx3-ubyte"] = idx(images)
        files[f"{name}/{part}-labels-idx1-ubyte"] = idx(labels)
    if packed:
        return Folder({f"{path}.gz": gzip.compress(data) for path, data in files.items()})
    return files


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_images_come_with_their_labels_packed_or_not(name: str, packed: bool) -> None:
    samples, _ = load(DataSpec(type=name), where=folder(name, packed=packed))
    assert samples.x.shape == (80, 12)
    assert samples.classes == tuple(range(10))
    assert np.array_equal(samples.x[:, 0], samples.y)
    assert samples.n_held_out == 20


def test_packed_and_unpacked_images_have_one_hash() -> None:
    assert load(SPEC, where=folder())[1] == load(SPEC, where=folder(packed=True))[1]


def test_the_test_part_is_taken_from_the_images_that_were_published_for_it() -> None:
    parts = divide(load(SPEC, where=folder())[0], SPEC)
    assert [len(part.y) for part in parts] == [20, 10, 10]
    assert [set(part.x[:, 1]) for part in parts] == [{0.0}, {0.0}, {1.0}]
    assert parts.train.x.dtype == np.float64
    spec = DataSpec(type="mnist", classes=(3, 8), train_size=6, val_size=4)
    parts = divide(load(spec, where=folder())[0], spec)
    assert [len(part.y) for part in parts] == [6, 4, 2]
    assert set(parts.test.x[:, 1]) == {1.0}


@pytest.mark.parametrize("where", [None, Folder(), folder("fashion_mnist")])
def test_images_that_the_installation_does_not_have_are_said_to_be_missing(where: Folder | None) -> None:
    with pytest.raises(InvalidError, match=r"mnist/train-images-idx3-ubyte.*KETBASE_DATASETS_URL") as refused:
        load(SPEC, where=where)
    assert refused.value.code == "DATA_NOT_THERE"


IMAGES = "mnist/train-images-idx3-ubyte"
WHOLE = folder()[IMAGES]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not begin as an IDX"),
        (b"<html>404</html>", "not begin as an IDX"),
        (idx(np.zeros((2, 2), np.uint8)), "not begin as an IDX"),
        (idx(np.zeros((2, 2, 2), np.uint8), kind=0x0D), "not begin as an IDX"),
        (WHOLE[:-1], "holds less"),
        (WHOLE + b"x", "holds more"),
        (bytes((0, 0, 8, 3)) + struct.pack(">3I", 2**31, 2**16, 2**16), "is the most"),
        (bytes((0, 0, 8, 3)) + struct.pack(">3I", 60, 2**31, 4), "is the most"),
        (gzip.compress(WHOLE)[:-12], "unpacked"),
        (b"\x1f\x8b" + b"x" * 50, "unpacked"),
        (gzip.compress(WHOLE + bytes(10_000_000)), "holds more"),
        (idx(np.zeros((60, 4, 4), np.uint8)), "do not go with images"),
        (idx(np.zeros((59, 4, 3), np.uint8)), "labels do not go with"),
    ],
)
def test_a_file_that_is_no_idx_file_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(InvalidError, match=problem) as refused:
        load(SPEC, where=Folder(folder() | {IMAGES: data}))
    assert refused.value.code == "INVALID_DATA"


def test_a_label_above_9_is_refused() -> None:
    labels = np.full(60, 10, np.uint8)
    with pytest.raises(InvalidError, match="label 10"):
        load(SPEC, where=Folder(folder() | {"mnist/train-labels-idx1-ubyte": idx(labels)}))
