"""Finds out whether anybody changed an audit log: the records, the archive and the head must say the same."""

from ketbase.audit import layout
from ketbase.audit.archive import Archive
from ketbase.audit.archive_check import ArchiveCheck
from ketbase.audit.chain_check import ChainCheck
from ketbase.audit.tampering import Log, Progress, TamperedError
from ketbase.audit.types import Finding, Tampering, Verification
from ketbase.ports.clock import Clock
from ketbase.ports.records import Index, Records, walk

_PAUSE_S = 2.0
_PAGE = 500


class Verifier:
    """Recomputes chains. It writes nothing, and sealers may work meanwhile."""

    def __init__(self, records: Records, archive: Archive, clock: Clock):
        self._records = records
        self._archive = archive
        self._clock = clock

    def organizations(self) -> list[str]:
        """Name the organisations that have a chain or an archive."""
        chains = {item.key.sort for item in walk(self._records, layout.CHAINS, limit=_PAGE)}
        return sorted(chains.union(self._archive.organizations()))

    def verify(self, organization_id: str, progress: Progress = lambda _done, _total: None) -> Verification:
        """Look at an organisation's whole log.

        The lines that may be forgotten by now may be missing from its beginning. Where something is wrong, all is
        looked at once more: an index that lagged behind has mended itself meanwhile.
        """
        seen = self._look(organization_id, progress)
        if seen.finding is None:
            return seen
        self._clock.sleep(_PAUSE_S)
        return self._look(organization_id, progress)

    def _look(self, organization_id: str, progress: Progress) -> Verification:
        log = Log(organization_id, self._records, self._archive, self._clock.now())
        chain, archive = ChainCheck(log), ArchiveCheck(log)
        finding: Finding | None = None
        unsealed = 0
        try:
            chain.run(progress)
            archive.run(chain.first_kept, chain.head.sequence)
            unsealed = _count_unsealed(log)
        except TamperedError as tampered:
            finding = tampered.finding
        return Verification(
            organization_id=organization_id,
            lines=chain.lines,
            archived=archive.lines,
            unsealed=unsealed,
            finding=finding,
        )


def _count_unsealed(log: Log) -> int:
    """Count the lines that wait; any other line must have its number, and stand in the chain.

    Raises:
        TamperedError: one has none, or stands nowhere.
    """
    unsealed = 0
    for item in log.items(prefix=layout.LINES):
        sequence, line_id = item.values.get("sequence"), item.key.sort.removeprefix(layout.LINES)
        if isinstance(sequence, int):
            if item.indexes.get(Index.LISTING) != layout.link(log.organization_id, sequence):
                message = f"Line {sequence} stands nowhere in the chain."
                raise TamperedError(Tampering.REMOVED, "records", sequence, message, line_id)
        elif item.indexes.get(Index.WORK) != layout.waiting(log.organization_id, line_id):
            message = "The line has no number, and no sealer would give it one."
            raise TamperedError(Tampering.UNNUMBERED, "records", None, message, line_id)
        else:
            unsealed += 1
    return unsealed
