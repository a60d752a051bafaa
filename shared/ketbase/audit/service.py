"""Shows an organisation its audit log."""

import itertools
from collections.abc import Iterator

from ketbase.accounts.types import Caller
from ketbase.audit import layout
from ketbase.audit.types import AuditFilter, SealedLine
from ketbase.paging import PageRequest, Slice, take
from ketbase.ports.records import Index, Records, walk

MOST_COUNTED = 10_000
"""A filtered list's total counts no further."""
_PAGE = 500


class Audit:
    """The log of one organisation at a time."""

    def __init__(self, records: Records):
        self._records = records

    def list(self, caller: Caller, wanted: AuditFilter, request: PageRequest) -> Slice[SealedLine]:
        """List lines in order of time, those that are not sealed yet too.

        The total of a filtered list is at most `MOST_COUNTED`.
        """
        walk = self._walk(caller.organization_id, wanted, request.cursor, descending=request.descending)
        shown = (line for line in walk if wanted.takes(line))
        return take(shown, request, self._count(caller.organization_id, wanted))

    def _count(self, organization_id: str, wanted: AuditFilter) -> int:
        if wanted.empty:
            waiting = self._records.count(layout.UNSEALED, prefix=f"{organization_id}#", index=Index.WORK)
            return self._sealed(organization_id) + waiting
        walk = self._walk(organization_id, wanted, None, descending=True)
        return sum(1 for _ in itertools.islice(filter(wanted.takes, walk), MOST_COUNTED))

    def _sealed(self, organization_id: str) -> int:
        """Count the sealed lines by the numbers of the first and the last, for there may be millions."""
        ends = []
        for descending in (False, True):
            page = self._records.query(
                layout.partition(organization_id), index=Index.LISTING, descending=descending, limit=1
            )
            ends += [int(item.values["sequence"]) for item in page.items]
        return ends[-1] - ends[0] + 1 if ends else 0

    def _walk(
        self, organization_id: str, wanted: AuditFilter, after: str | None, *, descending: bool
    ) -> Iterator[SealedLine]:
        """Walk the lines of the time that is wanted, and only these: there may be millions of others."""
        first = None if wanted.start is None else layout.not_before(wanted.start)
        last = None if wanted.end is None else layout.not_after(wanted.end)
        begin, stop = (last, first) if descending else (first, last)
        bounds = [bound for bound in (begin, after and f"{layout.LINES}{after}") if bound is not None]
        start = (min if descending else max)(bounds, default=None)
        lines = walk(
            self._records,
            layout.partition(organization_id),
            prefix=layout.LINES,
            after=start,
            descending=descending,
            limit=_PAGE,
        )
        for item in lines:
            if stop is not None and (item.key.sort < stop if descending else item.key.sort > stop):
                return
            yield SealedLine.model_validate(item.values)
