"""The blobs port: whole byte strings under a path-like key."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol


class BlobNotFoundError(Exception):
    """There is no blob under this key."""

    def __init__(self, key: str):
        super().__init__(f"no blob under {key!r}")
        self.key = key


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What is known of a blob without reading it; `size` in bytes.

    Attributes:
        sha256: in hex; empty where somebody sent the blob to an `upload_link`.
    """

    size: int
    content_type: str
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class Blobs(Protocol):
    """Bytes that are too large for records. A write is seen whole or not at all.

    A key is one or more segments of `A–Z a–z 0–9 _ . = -` joined by `/`, none of them `.` or `..`, at most
    900 characters; anything else is a `ValueError`.
    """

    def put(self, key: str, data: bytes, *, content_type: str, metadata: Mapping[str, str] | None = None) -> None:
        """Keep `data` under `key`, in place of what lay there.

        Metadata: ASCII, lower-case names of letters, digits and `-`, but not `sha256`; 2 KB in all.
        """

    def get(self, key: str) -> bytes:
        """Read a blob whole.

        Raises:
            BlobNotFoundError: there is none.
        """

    def info(self, key: str) -> BlobInfo | None:
        """Describe a blob, or return `None` where there is none."""

    def delete(self, key: str) -> None:
        """Take a blob away; a missing one is no error."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Walk all keys that begin with `prefix`, in order."""

    def link(self, key: str, seconds: int) -> str | None:
        """Make an address from which anyone can read the blob for a while; `None` where the store has none."""

    def upload_link(self, key: str, seconds: int) -> str | None:
        """Make an address to which anyone can `PUT` the blob for a while; `None` where the store has none."""

    def check(self) -> None:
        """Do the least that proves the store answers; raises whatever the store raises."""
