"""The audit log is sealed and verified alike over every store of records and of blobs."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ketbase.adapters.blobs.files import FileBlobs
from ketbase.adapters.records.dynamodb import DynamoRecords
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.audit import layout
from ketbase.audit.archive import Archive
from ketbase.audit.lines import line
from ketbase.audit.sealer import Sealer
from ketbase.audit.service import Audit
from ketbase.audit.types import AuditFilter, Tampering
from ketbase.audit.verifier import Verifier
from ketbase.paging import PageRequest
from ketbase.ports.records import Delete, Index, Records
from tests.fakes import ALICE, TurnedClock

KEEP = timedelta(days=2_557)


@pytest.fixture(params=["sqlite", "dynamodb"])
def records(request: pytest.FixtureRequest, tmp_path: Path, clock: TurnedClock) -> Records:
    if request.param == "sqlite":
        return SqliteRecords(tmp_path / "records.db", clock)
    client, table = request.getfixturevalue("dynamodb"), request.getfixturevalue("table")
    return DynamoRecords(client, table, clock)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(FileBlobs(tmp_path / "blobs"))


def write(records: Records, clock: TurnedClock, count: int) -> None:
    for number in range(count):
        clock.turn(1)
        details: dict[str, Any] = {"share": 0.1, "large": 10**40, "names": ["Zoë", None, True], "n": number}
        records.write(line(clock, ALICE, "circuit.created", "circuit_1", **details))


def test_what_is_sealed_is_read_back_as_it_was_sealed(
    records: Records, archive: Archive, clock: TurnedClock
) -> None:
    write(records, clock, 45)
    assert Sealer(records, archive, clock, keep=KEEP).seal(600).lines == 45
    seen = Verifier(records, archive, clock).verify(ALICE.organization_id)
    assert (seen.finding, seen.lines, seen.archived, seen.unsealed) == (None, 45, 45, 0)
    page = Audit(records).list(ALICE, AuditFilter(), PageRequest(limit=3))
    assert ([each.sequence for each in page.items], page.total) == ([45, 44, 43], 45)


def test_sealers_at_once_make_one_chain(records: Records, archive: Archive, clock: TurnedClock) -> None:
    write(records, clock, 90)

    def work() -> None:
        for _ in range(5):
            Sealer(records, archive, clock, keep=KEEP).seal(600)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert records.count(layout.UNSEALED, index=Index.WORK) == 0
    seen = Verifier(records, archive, clock).verify(ALICE.organization_id)
    assert (seen.finding, seen.lines, seen.archived) == (None, 90, 90)


def test_a_removed_line_is_found(records: Records, archive: Archive, clock: TurnedClock) -> None:
    write(records, clock, 5)
    Sealer(records, archive, clock, keep=KEEP).seal(600)
    gone = records.query(layout.partition(ALICE.organization_id), index=Index.LISTING).items[2]
    records.write(Delete(gone.key))
    finding = Verifier(records, archive, clock).verify(ALICE.organization_id).finding
    assert finding is not None
    assert (finding.kind, finding.sequence) == (Tampering.REMOVED, 3)


def test_lines_are_forgotten_when_their_time_is_over(
    records: Records, archive: Archive, clock: TurnedClock
) -> None:
    write(records, clock, 3)
    sealer = Sealer(records, archive, clock, keep=KEEP)
    sealer.seal(600)
    clock.turn(KEEP.total_seconds() + 10)
    write(records, clock, 2)
    sealer.seal(600)
    seen = Verifier(records, archive, clock).verify(ALICE.organization_id)
    assert (seen.finding, seen.lines) == (None, 2)
    assert Audit(records).list(ALICE, AuditFilter(), PageRequest()).total == 2
