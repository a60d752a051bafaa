"""The blobs port over a folder of files."""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
_LARGEST = 2**63


class FileBlobs:
    """Each blob is one file: a line of JSON that describes it, then its bytes.

    A blob is on the disk before `put` returns, so that a record that says there is one does not outlive it.
    """

    def __init__(self, root: Path):
        """Use the folder `root`, which is made at the first write."""
        self._root = root

    def put(self, key: str, data: bytes, *, content_type: str, metadata: Mapping[str, str] | None = None) -> None:
        """Keep `data` under `key`, in place of what lay there."""
        with self.incoming(key, content_type=content_type, metadata=metadata) as write:
            write(data)

    @contextmanager
    def incoming(
        self, key: str, *, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> Iterator[Callable[[bytes], None]]:
        """Take a blob piece by piece: give what writes the next one, and keep all of them when the block ends.

        A block that raises keeps nothing.
        """
        path = self._path(key)
        digest, size = hashlib.sha256(), 0
        # What describes a blob comes first, and is known last.
        room = len(_header(content_type, _LARGEST, digest.hexdigest(), metadata or {}))

        def write(piece: bytes) -> None:
            nonlocal size
            digest.update(piece)
            size += len(piece)
            file.write(piece)

        incoming = self._root / _INCOMING / secrets.token_hex(16)
        incoming.parent.mkdir(parents=True, exist_ok=True)
        try:
            with incoming.open("xb") as file:
                file.seek(room + 1)
                yield write
                file.seek(0)
                file.write(_header(content_type, size, digest.hexdigest(), metadata or {}).ljust(room) + b"\n")
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

    def upload_link(self, key: str, seconds: int) -> str | None:  # noqa: ARG002
        """There is no address for a file of this machine; `ketbase.local.uploads` gives one."""
        checked(key)
        return None

    def check(self) -> None:
        """Make the folder and look into it."""
        self._root.mkdir(parents=True, exist_ok=True)
        os.listdir(self._root)

    def _path(self, key: str) -> Path:
        *folders, name = _names(checked(key))
        return self._root.joinpath(*folders, name + _BLOB)


def _header(content_type: str, size: int, sha256: str, metadata: Mapping[str, str]) -> bytes:
    described = {"content_type": content_type, "size": size, "sha256": sha256, "metadata": dict(metadata)}
    return json.dumps(described).encode()


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
