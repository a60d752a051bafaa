"""Shows an organisation its audit log."""

from collections.abc import Iterator

from ketbase.accounts.types import Caller
from ketbase.audit import layout
from ketbase.audit.types import AuditFilter, SealedLine
from ketbase.paging import PageRequest, Slice, take
from ketbase.ports.records import Index, Records

_PAGE = 500


class Audit:
    """The log of one organisation at a time."""

    def __init__(self, records: Records):
        self._records = records

    def list(self, caller: Caller, wanted: AuditFilter, request: PageRequest) -> Slice[SealedLine]:
        """List lines in order of time, those that are not sealed yet too."""
        walk = self._walk(caller.organization_id, request.cursor, descending=request.descending)
        shown = (line for line in walk if wanted.takes(line))
        return take(shown, request, self._count(caller.organization_id, wanted))

    def _count(self, organization_id: str, wanted: AuditFilter) -> int:
        if wanted.empty:
            waiting = self._records.count(layout.UNSEALED, prefix=f"{organization_id}#", index=Index.WORK)
            return self._sealed(organization_id) + waiting
        return sum(wanted.takes(line) for line in self._walk(organization_id, None, descending=False))

    def _sealed(self, organization_id: str) -> int:
        """Count the sealed lines by the numbers of the first and the last, for there may be millions."""
        ends = []
        for descending in (False, True):
            page = self._records.query(
                layout.partition(organization_id), index=Index.LISTING, descending=descending, limit=1
            )
            ends += [int(item.values["sequence"]) for item in page.items]
        return ends[-1] - ends[0] + 1 if ends else 0

    def _walk(self, organization_id: str, after: str | None, *, descending: bool) -> Iterator[SealedLine]:
        start = None if after is None else f"{layout.LINES}{after}"
        while True:
            page = self._records.query(
                layout.partition(organization_id),
                prefix=layout.LINES,
                after=start,
                descending=descending,
                limit=_PAGE,
            )
            for item in page.items:
                yield SealedLine.model_validate(item.values)
            if page.next is None:
                return
            start = page.next
