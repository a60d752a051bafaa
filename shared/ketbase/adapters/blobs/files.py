"""The blobs port over a folder of files."""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from ketbase.adapters.blobs.keys import checked, is_key
from ketbase.ports.blobs import BlobInfo, BlobNotFoundError

_BLOB = ",blob"
"""Ends the file name of a blob. A key has no comma: `a` and `a/b` are a file and a folder side by side."""

_CONTINUED = ","
"""Ends a folder name that is only a part of a key's segment."""

_PART = 200
"""Longest part of a segment in one name; file systems end at 255 bytes."""

_INCOMING = ",incoming"


class FileBlobs:
    """Each blob is one file: a line of JSON that describes it, then its bytes.

    A blob is on the disk before `put` returns, so that a record that says there is one does not outlive it.
    """

    def __init__(self, root: Path):
        """Use the folder `root`, which is made at the first write."""
        self._root = root

    def put(self, key: str, data: bytes, *, content_type: str, metadata: Mapping[str, str] | None = None) -> None:
        """Keep `data` under `key`, in place of what lay there."""
        path = self._path(key)
        header = {
            "content_type": content_type,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "metadata": dict(metadata or {}),
        }
        incoming = self._root / _INCOMING / secrets.token_hex(16)
        incoming.parent.mkdir(parents=True, exist_ok=True)
        try:
            with incoming.open("xb") as file:
                file.write(json.dumps(header).encode() + b"\n")
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            path.parent.mkdir(parents=True, exist_ok=True)
            incoming.replace(path)
        finally:
            incoming.unlink(missing_ok=True)
        _flush_folder(path.parent)

    def get(self, key: str) -> bytes:
        """Read a blob whole.

        Raises:
            BlobNotFoundError: there is none.
        """
        try:
            with self._path(key).open("rb") as file:
                file.readline()
                return file.read()
        except FileNotFoundError:
            raise BlobNotFoundError(key) from None

    def info(self, key: str) -> BlobInfo | None:
        """Describe a blob, or return `None` where there is none."""
        try:
            with self._path(key).open("rb") as file:
                return BlobInfo(**json.loads(file.readline()))
        except FileNotFoundError:
            return None

    def delete(self, key: str) -> None:
        """Take a blob away; a missing one is no error."""
        self._path(key).unlink(missing_ok=True)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Walk all keys that begin with `prefix`, in order."""
        folder = self._root
        # The segments that the prefix names whole are folders: only what lies in them is walked.
        if whole := prefix.rpartition("/")[0]:
            if not is_key(whole):
                return iter(())
            folder = folder.joinpath(*_names(whole))
        found = (
            _key((parent / name).relative_to(self._root))
            for parent, _, names in folder.walk()
            for name in names
            if name.endswith(_BLOB)
        )
        return iter(sorted(key for key in found if key.startswith(prefix)))

    def forget(self, prefix: str, before: datetime) -> int:
        """Take away the blobs that begin with `prefix` and were last written before a moment.

        Returns:
            How many there were.
        """
        forgotten = 0
        for key in self.keys(prefix):
            path = self._path(key)
            try:
                if path.stat().st_mtime < before.timestamp():
                    path.unlink()
                    forgotten += 1
            except FileNotFoundError:
                continue
        return forgotten

    def link(self, key: str, seconds: int) -> str | None:  # noqa: ARG002
        """There is no address for a file of this machine."""
        checked(key)
        return None

    def check(self) -> None:
        """Make the folder and look into it."""
        self._root.mkdir(parents=True, exist_ok=True)
        os.listdir(self._root)

    def _path(self, key: str) -> Path:
        *folders, name = _names(checked(key))
        return self._root.joinpath(*folders, name + _BLOB)


def _names(key: str) -> list[str]:
    """The names of the folders that lead to a key, and the key's own."""
    names = []
    for segment in key.split("/"):
        *parts, last = re.findall(f".{{1,{_PART}}}", segment)
        names += [part + _CONTINUED for part in parts] + [last]
    return names


def _key(path: Path) -> str:
    return path.as_posix().removesuffix(_BLOB).replace(_CONTINUED + "/", "")


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
