"""What the checks of an audit log share: how they read, and how they say what is wrong."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ketbase.audit import layout
from ketbase.audit.archive import Archive, Batch
from ketbase.audit.types import Finding, Tampering
from ketbase.ports.blobs import BlobNotFoundError
from ketbase.ports.records import Index, Item, Records, Values, walk
from ketbase.types import Moment

type Progress = Callable[[int, int], None]
"""Is told how many of how many lines were looked at."""

_PAGE = 500


class TamperedError(Exception):
    """Something is wrong with a log."""

    def __init__(self, kind: Tampering, where: str, sequence: int | None, message: str, line_id: object = None):
        super().__init__(message)
        self.finding = Finding(
            kind=kind, where=where, sequence=sequence, line_id=str(line_id or ""), message=message
        )


@dataclass(frozen=True, slots=True)
class Log:
    """One organisation's log, as it is at one moment."""

    organization_id: str
    records: Records
    archive: Archive
    now: Moment

    def forgotten(self, until: Moment | None) -> bool:
        """Say whether what is kept until then may be missing."""
        return until is not None and until <= self.now

    def items(self, prefix: str = "", index: Index | None = None, after: str | None = None) -> Iterator[Item]:
        """Walk the items of the log, in order of the table or of the index."""
        partition = layout.partition(self.organization_id)
        return walk(self.records, partition, prefix=prefix, index=index, after=after, limit=_PAGE)

    def sealed(self, batch: Batch) -> dict[int, Values]:
        """Read the lines of a batch from the records, by their numbers."""
        page = self.records.query(
            layout.partition(self.organization_id),
            index=Index.LISTING,
            after=layout.turn(batch.first - 1),
            limit=max(1, batch.last - batch.first + 1),
        )
        return {int(item.indexes[Index.LISTING].sort): item.values for item in page.items}

    def kept(self, line_id: object) -> Values | None:
        """Read a line from the records, wherever it stands in the chain."""
        item = self.records.get(layout.place(self.organization_id, str(line_id)))
        return None if item is None else item.values

    def archived(self, sequence: int) -> Values | None:
        """Read a line from the archive."""
        for batch, lines in self._readable():
            if batch.first <= sequence <= batch.last:
                return next((line for line in lines() if line.get("sequence") == sequence), None)
        return None

    def knows(self, line_id: object) -> bool:
        """Say whether the archive has a line, reading all of it."""
        return any(line.get("id") == line_id for _, lines in self._readable() for line in lines())

    def _readable(self) -> Iterator[tuple[Batch, Callable[[], list[Values]]]]:
        for batch in self.archive.batches(self.organization_id):
            if isinstance(batch, Batch):
                yield batch, lambda batch=batch: self._lines(batch)  # type: ignore[misc]

    def _lines(self, batch: Batch) -> list[Values]:
        try:
            return self.archive.read(batch)
        except (BlobNotFoundError, ValueError):
            return []
