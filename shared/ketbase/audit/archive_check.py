"""Checks the archive: every blob is sound, tells what the records tell, and none is missing."""

from ketbase.audit.archive import Batch
from ketbase.audit.chain import digest, own_fields
from ketbase.audit.tampering import Log, TamperedError
from ketbase.audit.types import SealedLine, Tampering
from ketbase.ports.blobs import BlobNotFoundError
from ketbase.ports.records import Values


class ArchiveCheck:
    """Walks the archive once.

    Attributes:
        lines: archived lines of the chain seen.
    """

    def __init__(self, log: Log):
        self._log = log
        self.lines = 0

    def run(self, first: int | None, last: int) -> None:
        """Check.

        Args:
            first: the number of the first line that must be archived; `None` if none must.
            last: the number of the last one.

        Raises:
            TamperedError: the first thing that is wrong.
        """
        reached, covered = 0 if first is None else first - 1, 0
        for batch in self._log.archive.batches(self._log.organization_id):
            if isinstance(batch, str):
                message = f"The blob {batch} is not the archive's."
                raise TamperedError(Tampering.INSERTED, "archive", None, message)
            try:
                lines = self._log.archive.read(batch)
                _check_links(lines)
            except BlobNotFoundError:
                continue
            except ValueError as problem:
                message = f"The blob {batch.key} was altered: {problem}."
                raise TamperedError(Tampering.ALTERED, "archive", batch.first, message) from problem
            if not self._is_in_the_chain(batch, lines):
                # Its sealer was killed, or came second: then its lines stand elsewhere.
                self._check_lines(lines)
                continue
            # Two batches hold the same lines where a sealer was killed and its lines were sealed with more.
            self.lines += max(0, batch.last - max(covered, batch.first - 1))
            covered = max(covered, batch.last)
            if batch.first > reached + 1 and first is not None:
                raise _missing(reached + 1)
            reached = max(reached, batch.last)
        if first is not None and reached < last:
            raise _missing(reached + 1)

    def _is_in_the_chain(self, batch: Batch, lines: list[Values]) -> bool:
        kept = self._log.sealed(batch)
        return all(
            kept[line["sequence"]] == line
            if line["sequence"] in kept
            else self._log.forgotten(SealedLine.model_validate(line).keep_until)
            for line in lines
        )

    def _check_lines(self, lines: list[Values]) -> None:
        for line in lines:
            sequence, line_id = int(line["sequence"]), line.get("id")
            kept = self._log.kept(line_id)
            if kept is not None and own_fields(kept) != own_fields(line):
                message = "The records tell it otherwise than the archive."
                raise TamperedError(Tampering.ALTERED, "records", sequence, message, line_id)
            if kept is None and not self._log.forgotten(SealedLine.model_validate(line).keep_until):
                message = "The archive has a line that the records have not."
                raise TamperedError(Tampering.REMOVED, "records", sequence, message, line_id)


def _check_links(lines: list[Values]) -> None:
    """Check that the lines of a batch are a piece of a chain.

    Raises:
        ValueError: they are not.
    """
    for position, line in enumerate(lines):
        SealedLine.model_validate(line)
        if digest(line) != line["hash"]:
            raise ValueError(f"line {line['sequence']} is not what was sealed")
        before = lines[position - 1] if position else None
        if before and (line["sequence"], line["previous"]) != (before["sequence"] + 1, before["hash"]):
            raise ValueError(f"line {line['sequence']} does not follow the line before it")


def _missing(sequence: int) -> TamperedError:
    return TamperedError(Tampering.REMOVED, "archive", sequence, f"The archive lacks line {sequence}.")
