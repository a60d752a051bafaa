"""An organisation reads its own log, whole or filtered, in pages that join."""

from datetime import UTC, datetime, timedelta

import pytest

from ketbase.audit import service
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


@pytest.mark.parametrize("descending", [True, False])
def test_a_search_in_a_span_of_time_reads_no_lines_of_another(book, monkeypatch, descending):
    book.write(40)
    beginning = book.clock.now()
    monkeypatch.setattr(service, "_PAGE", 2)
    read = []

    class Watched:
        def query(self, partition, **how):
            page = book.records.query(partition, **how)
            read.extend(page.items)
            return page

    wanted = AuditFilter(start=beginning - timedelta(seconds=20), end=beginning - timedelta(seconds=17))
    page = Audit(Watched()).list(ALICE, wanted, PageRequest(descending=descending))
    assert (len(page.items), page.total) == (3, 3)
    assert len(read) <= 2 * (3 + 1 + 2)  # twice: the span, the line at its end, a page
    rest = Audit(Watched()).list(
        ALICE, wanted, PageRequest(descending=descending, limit=2, cursor=page.items[0].id)
    )
    assert rest.items == page.items[1:]


@pytest.mark.parametrize("descending", [True, False])
def test_a_span_of_time_takes_lines_to_the_microsecond(book, audit, descending):
    beginning = book.clock.now()
    for _ in range(20):
        book.clock.turn(0.0003)
        book.records.write(line(book.clock, ALICE, "key.created", book.clock.now().isoformat()))
    start, end = beginning + timedelta(microseconds=1_800), beginning + timedelta(microseconds=4_500)
    page = audit.list(ALICE, AuditFilter(start=start, end=end), PageRequest(descending=descending))
    assert (len(page.items), page.total) == (9, 9)
    assert {each.timestamp for each in page.items} == {
        beginning + timedelta(microseconds=300 * step) for step in range(6, 15)
    }


@pytest.mark.parametrize(("year", "expected"), [(1, 1), (9_999, 0)])
def test_a_search_may_begin_at_any_moment_there_is(book, audit, year, expected):
    book.write(1)
    moment = datetime(year, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert audit.list(ALICE, AuditFilter(start=moment), PageRequest()).total == expected
    assert audit.list(ALICE, AuditFilter(end=moment), PageRequest()).total == 1 - expected


def test_a_search_counts_no_further_than_its_bound(book, audit, monkeypatch):
    monkeypatch.setattr(service, "MOST_COUNTED", 3)
    book.write(5)
    page = audit.list(ALICE, AuditFilter(action="circuit.*"), PageRequest())
    assert (len(page.items), page.total) == (5, 3)
    assert audit.list(ALICE, ALL, PageRequest()).total == 5
