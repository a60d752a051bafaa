"""Lines become a chain: all of them, each once, in order, whatever happens to the sealers."""

import json
import threading
from itertools import pairwise

import pytest

from ketbase.audit import layout
from ketbase.audit.chain import GENESIS, digest
from ketbase.audit.sealer import Sealer
from ketbase.ports.records import Index
from tests.fakes import BOB
from tests.unit.audit.logs import KEEP, ORGANIZATION, Book


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path)


def test_sealing_numbers_every_line_in_order_without_gaps(book):
    book.write(95)
    done = book.sealer.seal(60)
    assert (done.lines, done.batches) == (95, 3)
    lines = [item.values for item in book.sealed()]
    assert [line["sequence"] for line in lines] == list(range(1, 96))
    assert [line["id"] for line in lines] == sorted(line["id"] for line in lines)


def test_each_line_carries_the_hash_of_the_line_before_it(book):
    book.write_and_seal(3, 41)
    lines = [item.values for item in book.sealed()]
    assert lines[0]["previous"] == GENESIS
    assert all(after["previous"] == before["hash"] for before, after in pairwise(lines))
    assert all(line["hash"] == digest(line) for line in lines)


def test_sealed_lines_wait_no_more(book):
    book.write_and_seal(45)
    assert book.records.count(layout.UNSEALED, index=Index.WORK) == 0
    assert book.sealer.seal(60).lines == 0


def test_the_archive_holds_every_line_as_the_records_do(book):
    book.write_and_seal(45, 2)
    archived = [json.loads(line) for key in book.blobs.kept for line in book.blobs.get(key).splitlines()]
    assert archived == [item.values for item in book.sealed()]
    assert [key.split("/")[-1][:25] for key in book.blobs.kept] == [
        "000000000001-000000000040", "000000000041-000000000045", "000000000046-000000000047"
    ]  # fmt: skip


def test_each_organisation_has_a_chain_of_its_own(book):
    book.write(3)
    book.write(2, BOB)
    book.sealer.seal(60)
    assert (book.verify().lines, book.verify(BOB.organization_id).lines) == (3, 2)


def test_what_one_organisation_holds_up_does_not_hold_up_another(book):
    book.write(1)
    book.write(1, BOB)
    first = book.kept()[0]
    book.records.write(put(first, timestamp="no moment"))
    assert book.sealer.seal(60).lines == 1
    assert book.verify(BOB.organization_id).lines == 1


def test_a_line_that_the_index_still_shows_is_not_sealed_twice(book):
    book.write(4)
    stale = book.records.query(layout.UNSEALED, index=Index.WORK)
    book.sealer.seal(60)
    book.write(2)

    class Lagging:
        def __getattr__(self, name):
            return getattr(book.records, name)

        def query(self, partition, **asked):
            fresh = book.records.query(partition, **asked)
            return type(fresh)((*stale.items, *fresh.items), None) if partition == layout.UNSEALED else fresh

    assert Sealer(Lagging(), book.archive, book.clock, keep=KEEP).seal(60).lines == 2
    assert book.verify().finding is None
    assert book.verify().lines == 6


class Killed(BaseException):
    pass


@pytest.mark.parametrize("when", ["before the blob", "after the blob", "before the write", "after the write"])
@pytest.mark.parametrize("more", [0, 1])
def test_a_sealer_killed_at_any_moment_loses_no_line_and_seals_none_twice(book, when, more):
    book.write_and_seal(2)
    book.write(5)
    moment, place = when.split(" the ")

    def deadly(call):
        def die(*arguments, **named):
            if moment == "after":
                call(*arguments, **named)
            raise Killed

        return die

    target, name = (book.blobs, "put") if place == "blob" else (book.records, "write")
    alive = getattr(target, name)
    setattr(target, name, deadly(alive))
    with pytest.raises(Killed):
        book.sealer.seal(60)
    setattr(target, name, alive)
    book.write(more)
    book.sealer.seal(60)
    seen = book.verify()
    assert (seen.finding, seen.lines, seen.archived, seen.unsealed) == (None, 7 + more, 7 + more, 0)


def test_sealing_again_what_a_killed_sealer_archived_writes_the_same_blob(book):
    book.write(3)
    write, book.records.write = book.records.write, None
    with pytest.raises(TypeError):
        book.sealer._seal(ORGANIZATION, book.kept())
    before = dict(book.blobs.kept)
    book.records.write = write
    book.clock.turn(3_600)
    book.sealer.seal(60)
    assert book.blobs.kept == before


def test_two_sealers_at_once_make_one_chain(tmp_path):
    book = Book(tmp_path)
    book.write(300)
    done = threading.Event()

    def work():
        sealer = Sealer(book.records, book.archive, book.clock, keep=KEEP)
        while not done.is_set():
            sealer.seal(60)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    book.write(100)
    while book.records.count(layout.UNSEALED, index=Index.WORK):
        pass
    done.set()
    for thread in threads:
        thread.join()
    seen = book.verify()
    assert (seen.finding, seen.lines, seen.archived) == (None, 400, 400)


def test_a_sealer_stops_in_time(book):
    book.write(100)
    assert book.sealer.seal(0).lines == 0


def put(item, **changes):
    from ketbase.ports.records import Item, Put

    return Put(Item(item.key, {**item.values, **changes}, item.indexes, item.expires_at))
