"""Checks the chain in the records: every line follows the one in front of it, up to the head."""

from collections.abc import Callable

from pydantic import ValidationError

from ketbase.audit import layout
from ketbase.audit.chain import Head, digest, head_at, head_before
from ketbase.audit.tampering import Log, TamperedError
from ketbase.audit.types import SealedLine, Tampering
from ketbase.ports.records import Index, Item


class ChainCheck:
    """Walks the chain once.

    Attributes:
        lines: sealed lines seen.
        first_kept: the number of the first line that may not be forgotten yet.
        head: the head at the beginning.
    """

    def __init__(self, log: Log):
        self._log = log
        self.lines = 0
        self.first_kept: int | None = None
        self.head = Head()

    def run(self, progress: Callable[[int, int], None]) -> None:
        """Check.

        Raises:
            TamperedError: the first thing that is wrong.
        """
        self.head = self._read_head()
        last: Head | None = None
        for item in self._log.items(index=Index.LISTING):
            line = self._link(item, last)
            last = head_at(line)
            if last.sequence == self.head.sequence and last != self.head:
                raise TamperedError(
                    Tampering.ALTERED, "head", last.sequence, "The head is not what the last line says.", line.id
                )
            if self.first_kept is None and not self._log.forgotten(last.until):
                self.first_kept = last.sequence
            self.lines += 1
            progress(self.lines, self.head.sequence)
        self._end(last)

    def _end(self, last: Head | None) -> None:
        if last is None:
            last = self.head if self._log.forgotten(self.head.until) else Head()
        if last.sequence < self.head.sequence:
            message = f"The lines end at {last.sequence}, the head says {self.head.sequence}."
            raise TamperedError(Tampering.SHORTENED, "records", last.sequence + 1, message)
        # Sealers may have gone on meanwhile; then they moved the head too.
        if self._read_head().sequence < last.sequence:
            message = f"The lines end at {last.sequence}, the head says {self.head.sequence}."
            raise TamperedError(Tampering.INSERTED, "head", self.head.sequence + 1, message)

    def _read_head(self) -> Head:
        item = self._log.records.get(layout.head(self._log.organization_id))
        try:
            return Head() if item is None else Head.model_validate(item.values)
        except ValidationError as problem:
            raise TamperedError(Tampering.ALTERED, "head", None, "The head cannot be read.") from problem

    def _link(self, item: Item, last: Head | None) -> SealedLine:
        values, place = item.values, item.indexes[Index.LISTING].sort
        expected = last.sequence + 1 if last else int(place) if place.isdigit() else 1
        whole = (
            place == layout.turn(expected)
            and values.get("sequence") == expected
            and values.get("hash") == digest(values)
            and item.key == layout.place(self._log.organization_id, str(values.get("id")))
        )
        try:
            line = SealedLine.model_validate(values) if whole else None
        except ValidationError:
            line = None
        if line is None:
            raise self._misplaced(item, expected)
        before = head_before(line)
        if last is None and before.sequence and self._log.forgotten(before.until):
            return line
        if last is None and before.sequence:
            raise TamperedError(Tampering.REMOVED, "records", before.sequence, "The lines before are missing.")
        if before != (last or Head()):
            raise self._misplaced(item, expected)
        return line

    def _misplaced(self, item: Item, expected: int) -> TamperedError:
        """Say what happened where line `expected` should stand; the archive knows which one that is."""
        found, sequence = item.values.get("id"), item.values.get("sequence")
        archived = self._log.archived(expected)
        kind, about = Tampering.ALTERED, found
        if archived is None:
            if isinstance(sequence, int) and sequence != expected:
                kind = Tampering.REMOVED if sequence > expected else Tampering.INSERTED
        elif archived.get("id") != found:
            if self._log.kept(archived.get("id")) is None:
                kind, about = Tampering.REMOVED, archived.get("id")
            else:
                kind = Tampering.REORDERED if self._log.knows(found) else Tampering.INSERTED
        message = f"Line {expected} is not what was sealed: it was {kind}."
        return TamperedError(kind, "records", expected, message, about)
