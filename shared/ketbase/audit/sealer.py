"""Seals the lines of the audit log: numbers them, chains them, and archives them."""

import itertools
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from ketbase.audit import layout
from ketbase.audit.archive import Archive
from ketbase.audit.chain import Head, seal
from ketbase.ports.clock import Clock
from ketbase.ports.records import (
    Absent,
    AtMost,
    ConditionFailedError,
    Equals,
    Index,
    Item,
    Present,
    Put,
    Records,
    Write,
)
from ketbase.types import Model

_LOG = logging.getLogger(__name__)

BATCH = 40
"""The most lines in one transaction."""
_PAGE = 400


class Sealing(Model):
    """What one call of the sealer did."""

    lines: int = 0
    batches: int = 0


class Sealer:
    """Takes lines out of the list of what is to be sealed. Any number of sealers may work at once."""

    def __init__(self, records: Records, archive: Archive, clock: Clock, *, keep: timedelta):
        """Wire a sealer; lines are kept for `keep`."""
        self._records = records
        self._archive = archive
        self._clock = clock
        self._keep = keep

    def seal(self, seconds: float) -> Sealing:
        """Seal what waits, for so long at most; the next call goes on."""
        until = self._clock.now() + timedelta(seconds=seconds)
        lines = batches = 0
        for organization_id, batch in self._waiting(until):
            try:
                done = self._seal(organization_id, batch)
            except Exception:  # noqa: BLE001 (what holds up one organisation must not hold up the others)
                _LOG.exception("audit lines of %s could not be sealed; the next call tries again", organization_id)
                continue
            lines += done
            batches += bool(done)
        return Sealing(lines=lines, batches=batches)

    def _waiting(self, until: datetime) -> Iterator[tuple[str, list[Item]]]:
        after: str | None = None
        while True:
            page = self._records.query(layout.UNSEALED, index=Index.WORK, after=after, limit=_PAGE)
            for organization_id, items in itertools.groupby(page.items, key=_organization):
                for batch in itertools.batched(items, BATCH, strict=False):
                    if self._clock.now() >= until:
                        return
                    yield organization_id, list(batch)
            if page.next is None:
                return
            after = page.next

    def _seal(self, organization_id: str, items: list[Item]) -> int:
        """Seal a batch; the lines that somebody else sealed meanwhile are left out."""
        while items:
            head = self._head(organization_id)
            sealed, after = seal([item.values for item in items], head, self._keep)
            # The archive comes first: what the head says was sealed is there.
            self._archive.write(organization_id, sealed)
            try:
                self._records.write(*_writes(organization_id, head, after, sealed))
            except ConditionFailedError as refused:
                if 0 in refused.failed:
                    return 0  # another sealer was quicker; the next call goes on
                # Position 0 is the head, behind it are the lines in order.
                items = [item for position, item in enumerate(items, 1) if position not in refused.failed]
            else:
                return len(items)
        return 0

    def _head(self, organization_id: str) -> Head:
        item = self._records.get(layout.head(organization_id))
        return Head() if item is None else Head.model_validate(item.values)


def _organization(item: Item) -> str:
    return item.indexes[Index.WORK].sort.rpartition("#")[0]


def _writes(organization_id: str, before: Head, after: Head, sealed: list[dict[str, Any]]) -> list[Write]:
    unmoved = Equals("sequence", before.sequence) if before.sequence else Absent()
    head = Put(Item(layout.head(organization_id), after.model_dump(mode="json")), (unmoved,))
    chain = [] if before.sequence else [Put(Item(layout.chain(organization_id), {}))]
    return [head, *(_in_place(organization_id, line) for line in sealed), *chain]


def _in_place(organization_id: str, line: dict[str, Any]) -> Put:
    item = Item(
        layout.place(organization_id, line["id"]),
        line,
        {Index.LISTING: layout.link(organization_id, line["sequence"])},
        # Whole seconds, and not before the line may be forgotten.
        expires_at=int(datetime.fromisoformat(line["keep_until"]).timestamp()) + 1,
    )
    # The index of work may lag behind, and still show a line that is sealed.
    return Put(item, (Present(), AtMost("sequence", 0)))
