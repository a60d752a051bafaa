"""Logs to look at: written by the real writer, sealed by the real sealer."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.audit import layout
from ketbase.audit.archive import Archive
from ketbase.audit.lines import line
from ketbase.audit.sealer import Sealer
from ketbase.audit.types import Verification
from ketbase.audit.verifier import Verifier
from ketbase.ports.records import Index, Item
from tests.fakes import ALICE, DictBlobs, TurnedClock

KEEP = timedelta(days=2557)
ORGANIZATION = ALICE.organization_id


class Book:
    """One installation's log."""

    def __init__(self, folder: Path, keep: timedelta = KEEP):
        self.clock = TurnedClock()
        self.records = SqliteRecords(folder / "records.db", self.clock)
        self.blobs = DictBlobs()
        self.archive = Archive(self.blobs)
        self.sealer = Sealer(self.records, self.archive, self.clock, keep=keep)

    def write(self, count: int, caller: Any = ALICE, **details: Any) -> None:
        for _ in range(count):
            self.clock.turn(1)
            self.records.write(line(self.clock, caller, "circuit.created", "circuit_1", **details))

    def write_and_seal(self, *counts: int) -> None:
        for count in counts:
            self.write(count, n=count, share=0.1, name="Zoë\u2028")
            self.sealer.seal(60)

    def verify(self, organization_id: str = ORGANIZATION) -> Verification:
        return Verifier(self.records, self.archive, self.clock).verify(organization_id)

    def sealed(self) -> list[Item]:
        return list(self.records.query(layout.partition(ORGANIZATION), index=Index.LISTING, limit=10_000).items)

    def kept(self) -> list[Item]:
        return list(self.records.query(layout.partition(ORGANIZATION), prefix="line#", limit=10_000).items)
