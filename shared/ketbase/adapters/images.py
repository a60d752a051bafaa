"""The images port over a folder, and over the store of blobs."""

from pathlib import Path

from ketbase.ports.blobs import BlobNotFoundError, Blobs


class FolderImages:
    """Files under a folder of this machine."""

    def __init__(self, folder: Path):
        self._folder = folder

    def read(self, path: str) -> bytes | None:
        """Read a file whole; `None` where there is none."""
        try:
            return (self._folder / path).read_bytes()
        except FileNotFoundError:
            return None


class BlobImages:
    """Blobs whose keys begin alike."""

    def __init__(self, blobs: Blobs, prefix: str):
        """Use the blobs under `prefix`, which is one or more segments of a key."""
        self._blobs = blobs
        self._prefix = prefix.rstrip("/")

    def read(self, path: str) -> bytes | None:
        """Read a blob whole; `None` where there is none."""
        try:
            return self._blobs.get(f"{self._prefix}/{path}")
        except BlobNotFoundError:
            return None
