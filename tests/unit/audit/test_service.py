"""An organisation reads its own log, whole or filtered, in pages that join."""

from datetime import timedelta

import pytest

from ketbase.audit.lines import line, system_line
from ketbase.audit.service import Audit
from ketbase.audit.types import AuditFilter
from ketbase.paging import PageRequest
from tests.fakes import ALICE, BOB
from tests.unit.audit.logs import Book

ALL = AuditFilter()


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path)


@pytest.fixture
def audit(book):
    return Audit(book.records)


def shown(page):
    return [each.sequence for each in page.items]


def test_the_newest_lines_come_first_and_unsealed_ones_have_no_number(book, audit):
    book.write_and_seal(3)
    book.write(2)
    page = audit.list(ALICE, ALL, PageRequest())
    assert (shown(page), page.total) == ([None, None, 3, 2, 1], 5)
    assert shown(audit.list(ALICE, ALL, PageRequest(descending=False))) == [1, 2, 3, None, None]


def test_pages_join_without_gap_or_overlap(book, audit):
    book.write_and_seal(25)
    found, cursor = [], None
    for _ in range(4):
        page = audit.list(ALICE, ALL, PageRequest(limit=7, cursor=cursor))
        found += shown(page)
        cursor = page.cursor
    assert (found, cursor) == (list(range(25, 0, -1)), None)


def test_nobody_reads_the_lines_of_another_organisation(book, audit):
    book.write(3)
    book.write(1, BOB)
    book.sealer.seal(60)
    book.write(3)
    assert audit.list(BOB, ALL, PageRequest()).total == 1
    assert audit.list(BOB, AuditFilter(action="circuit.*"), PageRequest()).total == 1
    assert {each.organization_id for each in audit.list(BOB, ALL, PageRequest()).items} == {BOB.organization_id}


def test_the_total_leaves_out_what_was_forgotten(tmp_path):
    book = Book(tmp_path, keep=timedelta(days=1))
    book.write_and_seal(10)
    book.clock.turn(86_400 + 10)
    book.write_and_seal(3)
    page = Audit(book.records).list(ALICE, ALL, PageRequest())
    assert (page.total, len(page.items)) == (3, 3)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"action": "key.created"}, ["key_1"]),
        ({"action": "key.*"}, ["key_2", "key_1"]),
        ({"action": "key"}, []),
        ({"actor_id": ALICE.user_id}, ["key_1", "circuit_1"]),
        ({"target": "key_2"}, ["key_2"]),
        ({"target": "key_2", "action": "key.created"}, []),
        ({"start": 1}, ["key_2", "key_1"]),
        ({"end": 1}, ["circuit_1"]),
        ({"start": 1, "end": 2}, ["key_1"]),
    ],
)
def test_a_filter_shows_what_it_takes_and_counts_it(book, audit, wanted, expected):
    beginning = book.clock.now()
    book.records.write(line(book.clock, ALICE, "circuit.created", "circuit_1"))
    book.clock.turn(1)
    book.records.write(line(book.clock, ALICE, "key.created", "key_1"))
    book.clock.turn(1)
    book.records.write(system_line(book.clock, ALICE.organization_id, "key.expired", "key_2"))
    moments = {
        name: beginning + timedelta(seconds=value) for name, value in wanted.items() if name in ("start", "end")
    }
    page = audit.list(ALICE, AuditFilter(**{**wanted, **moments}), PageRequest())
    assert ([each.target for each in page.items], page.total) == (expected, len(expected))
