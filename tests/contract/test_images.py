"""What every place of images does."""

from pathlib import Path

import pytest

from ketbase.adapters.blobs.files import FileBlobs
from ketbase.adapters.images import BlobImages, FolderImages
from ketbase.ports.images import Images


@pytest.fixture(params=["folder", "blobs"])
def images(request: pytest.FixtureRequest, tmp_path: Path) -> Images:
    if request.param == "folder":
        (tmp_path / "mnist").mkdir()
        (tmp_path / "mnist/train.gz").write_bytes(b"\x1f\x8b")
        return FolderImages(tmp_path)
    blobs = FileBlobs(tmp_path)
    blobs.put("datasets/images/mnist/train.gz", b"\x1f\x8b", content_type="application/gzip")
    return BlobImages(blobs, "datasets/images/")


def test_a_file_is_read_whole(images: Images) -> None:
    assert images.read("mnist/train.gz") == b"\x1f\x8b"


def test_a_missing_file_is_none(images: Images) -> None:
    assert images.read("mnist/train") is None
    assert images.read("fashion_mnist/train.gz") is None


def test_a_missing_folder_holds_nothing(tmp_path: Path) -> None:
    assert FolderImages(tmp_path / "missing").read("mnist/train.gz") is None
