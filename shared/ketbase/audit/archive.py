"""The archive: each batch of sealed lines once more, as a blob that is written before the chain goes on.

A blob's name holds the first and the last number of its batch, and the beginning of the last hash, which stands for
all that is in it. A batch whose sealer was killed or came second leaves a blob that no chain goes on from; it is
harmless, for each of its lines is sealed by another.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ketbase.audit import layout
from ketbase.ports.blobs import Blobs
from ketbase.ports.records import Values

_NAME = re.compile(r"(\d{12})-(\d{12})-([0-9a-f]{16})\.jsonl")
_SHOWN = 16


class Batch(NamedTuple):
    """The name of one batch."""

    key: str
    first: int
    last: int
    hash: str


class Archive:
    """The archives of all organisations."""

    def __init__(self, blobs: Blobs):
        self._blobs = blobs

    def write(self, organization_id: str, lines: list[dict[str, Any]]) -> None:
        """Keep a batch of sealed lines; a repetition changes nothing."""
        name = _name(lines[0]["sequence"], lines[-1]["sequence"], lines[-1]["hash"])
        text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
        self._blobs.put(layout.archive(organization_id) + name, text.encode(), content_type="application/jsonl")

    def batches(self, organization_id: str) -> Iterator[Batch | str]:
        """Walk an organisation's batches in order; a blob whose name is not a batch's is given as its key."""
        for key in self._blobs.keys(layout.archive(organization_id)):
            found = _NAME.fullmatch(key.removeprefix(layout.archive(organization_id)))
            yield key if found is None else Batch(key, int(found[1]), int(found[2]), found[3])

    def read(self, batch: Batch) -> list[Values]:
        """Read a batch.

        Raises:
            BlobNotFoundError: it is gone.
            ValueError: it cannot be read, or is not what its name says.
        """
        lines: list[Values] = [json.loads(line) for line in self._blobs.get(batch.key).splitlines()]
        if not lines or not all(isinstance(line, dict) for line in lines):
            raise ValueError("it holds no lines")
        named = _name(lines[0].get("sequence", 0), lines[-1].get("sequence", 0), str(lines[-1].get("hash")))
        if not batch.key.endswith(named):
            raise ValueError("its lines are not those that its name says")
        return lines

    def organizations(self) -> Iterator[str]:
        """Name the organisations that have an archive; each is named once."""
        before = ""
        for key in self._blobs.keys(layout.ARCHIVE):
            organization_id = key.removeprefix(layout.ARCHIVE).partition("/")[0]
            if organization_id != before:
                yield organization_id
                before = organization_id


def _name(first: object, last: object, digest: str) -> str:
    if not (isinstance(first, int) and isinstance(last, int)):
        raise ValueError("its lines have no numbers")
    return f"{layout.turn(first)}-{layout.turn(last)}-{digest[:_SHOWN]}.jsonl"
