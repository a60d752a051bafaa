"""Whatever is done to a sealed log is found, and nothing is found where nothing was done."""

import json
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ketbase.audit import layout
from ketbase.audit.chain import digest
from ketbase.audit.types import Tampering
from ketbase.ports.records import Delete, Index, Item, Key, Put
from tests.fakes import BOB
from tests.unit.audit.logs import ORGANIZATION, Book

SOME = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
counts = st.lists(st.integers(1, 45), min_size=1, max_size=4)
FIELDS = (
    "id", "organization_id", "action", "target", "actor_id", "credential", "credential_id", "address", "agent",
    "request_id", "details", "timestamp", "sequence", "keep_until", "previous_until", "previous", "hash",
)  # fmt: skip


def new_book(sizes, **asked):
    book = Book(Path((folder := tempfile.TemporaryDirectory()).name), **asked)
    book.folder = folder  # goes with the book
    book.write_and_seal(*sizes)
    return book


def other(value):
    """Something of the same kind, but not the same."""
    match value:
        case int():
            return value + 1
        case dict():
            return {**value, "n": -1}
        case str() if value.startswith("20"):
            return "2026-01-01T00:00:00.000001Z"
        case str() if value:
            return ("b" if value[0] == "a" else "a") + value[1:]
        case _:
            return "a"


# --- In the records ---


def alter(book, draw):
    item = draw(st.sampled_from(book.sealed()))
    name = draw(st.sampled_from(FIELDS))
    change(book, item, **{name: other(item.values[name])})


def alter_with_its_hash(book, draw):
    item = draw(st.sampled_from(book.sealed()))
    changed = {**item.values, "actor_id": "user_nobody"}
    change(book, item, actor_id="user_nobody", hash=digest(changed))


def remove(book, draw):
    book.records.write(Delete(draw(st.sampled_from(book.sealed())).key))


def remove_and_close_the_gap(book, draw):
    """Take a line away and chain the others anew, head and all, as somebody would who knows how."""
    items = book.sealed()
    gone = draw(st.integers(0, len(items) - 1))
    book.records.write(Delete(items.pop(gone).key))
    rechain(book, items)


def rewrite_history(book, draw):
    """Alter a line and chain the others anew."""
    items = book.sealed()
    chosen = draw(st.integers(0, len(items) - 1))
    items[chosen] = with_values(items[chosen], target="circuit_other")
    rechain(book, items)


def swap(book, draw):
    items = book.sealed()
    one, two = draw(st.permutations(items))[:2] if len(items) > 1 else (None, None)
    if one is None:
        return remove(book, draw)
    book.records.write(
        Put(Item(one.key, {**one.values, "sequence": two.values["sequence"]}, two.indexes)),
        Put(Item(two.key, {**two.values, "sequence": one.values["sequence"]}, one.indexes)),
    )
    return None


def swap_places(book, draw):
    items = book.sealed()
    if len(items) < 2:
        return remove(book, draw)
    one, two = draw(st.permutations(items))[:2]
    book.records.write(
        Put(Item(one.key, one.values, two.indexes)),
        Put(Item(two.key, two.values, one.indexes)),
    )
    return None


def cut_the_tail(book, draw):
    items = book.sealed()
    for item in items[-draw(st.integers(1, len(items))) :]:
        book.records.write(Delete(item.key))


def cut_the_tail_and_set_the_head_back(book, draw):
    cut_the_tail(book, draw)
    items = book.sealed()
    if not items:
        book.records.write(Delete(layout.head(ORGANIZATION)))
        return
    last = items[-1].values
    head = {"sequence": last["sequence"], "hash": last["hash"], "until": last["keep_until"]}
    book.records.write(Put(Item(layout.head(ORGANIZATION), head)))


def change_the_head(book, draw):
    head = book.records.get(layout.head(ORGANIZATION))
    name = draw(st.sampled_from(["sequence", "hash", "until"]))
    changed = head.values[name] - 1 if name == "sequence" and draw(st.booleans()) else other(head.values[name])
    book.records.write(Put(Item(head.key, {**head.values, name: changed})))


def remove_the_head(book, draw):
    book.records.write(Delete(layout.head(ORGANIZATION)))


def insert(book, draw):
    item = draw(st.sampled_from(book.sealed()))
    made = f"audit_{'7' * 26}"
    book.records.write(Put(Item(layout.place(ORGANIZATION, made), {**item.values, "id": made}, item.indexes)))


def append(book, draw):
    """Add a well-chained line behind the last one, without the sealer."""
    last = book.sealed()[-1]
    made = f"audit_{'7' * 26}"
    values = {
        **last.values,
        "id": made,
        "sequence": last.values["sequence"] + 1,
        "previous": last.values["hash"],
        "previous_until": last.values["keep_until"],
    }
    values["hash"] = digest(values)
    indexes = {Index.LISTING: layout.link(ORGANIZATION, values["sequence"])}
    book.records.write(Put(Item(layout.place(ORGANIZATION, made), values, indexes)))
    if draw(st.booleans()):
        head = {"sequence": values["sequence"], "hash": values["hash"], "until": values["keep_until"]}
        book.records.write(Put(Item(layout.head(ORGANIZATION), head)))


def take_out_of_the_list(book, draw):
    item = draw(st.sampled_from(book.sealed()))
    book.records.write(Put(Item(item.key, item.values)))


def unnumber(book, draw):
    book.write(1)
    item = book.kept()[-1]
    book.records.write(Put(Item(item.key, item.values)))


# --- In the archive ---


def alter_a_blob(book, draw):
    key = draw(st.sampled_from(list(book.blobs.keys())))
    lines = [json.loads(line) for line in book.blobs.get(key).splitlines()]
    line = draw(st.sampled_from(lines))
    name = draw(st.sampled_from(FIELDS))
    line[name] = other(line[name])
    keep(book, key, lines)


def remove_a_line_of_a_blob(book, draw):
    key = draw(st.sampled_from(list(book.blobs.keys())))
    lines = [json.loads(line) for line in book.blobs.get(key).splitlines()]
    lines.pop(draw(st.integers(0, len(lines) - 1)))
    keep(book, key, lines)


def remove_a_blob(book, draw):
    book.blobs.delete(draw(st.sampled_from(list(book.blobs.keys()))))


def swap_blobs(book, draw):
    keys = list(book.blobs.keys())
    if len(keys) < 2:
        return remove_a_blob(book, draw)
    one, two = draw(st.permutations(keys))[:2]
    book.blobs.kept[one], book.blobs.kept[two] = book.blobs.kept[two], book.blobs.kept[one]
    return None


def spoil_a_blob(book, draw):
    key = draw(st.sampled_from(list(book.blobs.keys())))
    book.blobs.kept[key] = draw(st.sampled_from([b"", b"{", b"[]\n", b"\xff", b"{}\n"]))


def rename_a_blob(book, draw):
    key = draw(st.sampled_from(list(book.blobs.keys())))
    book.blobs.kept[f"{layout.archive(ORGANIZATION)}copy.jsonl"] = book.blobs.kept.pop(key)


TAMPERINGS = [
    alter, alter_with_its_hash, remove, remove_and_close_the_gap, rewrite_history, swap, swap_places,
    cut_the_tail, cut_the_tail_and_set_the_head_back, change_the_head, remove_the_head, insert, append,
    take_out_of_the_list, unnumber, alter_a_blob, remove_a_line_of_a_blob, remove_a_blob, swap_blobs, spoil_a_blob,
    rename_a_blob,
]  # fmt: skip


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_every_tampering_is_found(tamper):
    @settings(SOME, max_examples=12)
    @given(st.data(), counts)
    def found(data, sizes):
        book = new_book(sizes)
        tamper(book, data.draw)
        assert book.verify().finding is not None

    found()


@SOME
@given(counts, st.integers(0, 5), st.sampled_from([0, 10, 30, 100_000]))
def test_nothing_is_found_in_a_log_that_nobody_touched(sizes, waiting, later_s):
    book = new_book(sizes, keep=timedelta(seconds=40))
    book.write(waiting)
    book.write(2, BOB)
    book.sealer.seal(60) if later_s == 10 else None
    book.clock.turn(later_s)
    seen = book.verify()
    assert seen.finding is None
    if later_s == 100_000:
        assert seen.lines == 0


# --- What a finding says ---


def test_the_first_altered_line_is_named():
    book = new_book([50])
    for position in (30, 11):
        change(book, book.sealed()[position], target="circuit_other")
    finding = book.verify().finding
    assert (finding.kind, finding.sequence, finding.where) == (Tampering.ALTERED, 12, "records")
    assert finding.line_id == book.sealed()[11].values["id"]


def test_a_removed_line_is_named_by_the_archive():
    book = new_book([20])
    gone = book.sealed()[6]
    book.records.write(Delete(gone.key))
    finding = book.verify().finding
    assert (finding.kind, finding.sequence, finding.line_id) == (Tampering.REMOVED, 7, gone.values["id"])


def test_reordered_and_inserted_lines_are_told_apart():
    book = new_book([20])
    one, two = book.sealed()[3], book.sealed()[8]
    book.records.write(Put(Item(one.key, one.values, two.indexes)), Put(Item(two.key, two.values, one.indexes)))
    assert (book.verify().finding.kind, book.verify().finding.sequence) == (Tampering.REORDERED, 4)
    book = new_book([20])
    item = book.sealed()[3]
    made = f"audit_{'7' * 26}"
    book.records.write(Put(Item(layout.place(ORGANIZATION, made), {**item.values, "id": made}, item.indexes)))
    finding = book.verify().finding
    assert (finding.kind, finding.line_id) == (Tampering.INSERTED, made)


def test_a_shortened_tail_is_named():
    book = new_book([20])
    for item in book.sealed()[-3:]:
        book.records.write(Delete(item.key))
    finding = book.verify().finding
    assert (finding.kind, finding.sequence) == (Tampering.SHORTENED, 18)


def test_an_unnumbered_line_is_named():
    book = new_book([3])
    book.write(1)
    item = book.kept()[-1]
    book.records.write(Put(Item(item.key, item.values)))
    finding = book.verify().finding
    assert (finding.kind, finding.line_id) == (Tampering.UNNUMBERED, item.values["id"])


def test_a_lost_archive_is_not_taken_for_altered_records():
    book = new_book([20, 20])
    book.blobs.delete(list(book.blobs.keys())[1])
    finding = book.verify().finding
    assert (finding.kind, finding.where, finding.sequence) == (Tampering.REMOVED, "archive", 21)


# --- What may be missing ---


def test_lines_may_be_missing_from_the_beginning_once_they_are_old():
    book = new_book([10], keep=timedelta(days=1))
    book.clock.turn(86_000)
    book.write_and_seal(10)
    book.clock.turn(500)
    seen = book.verify()
    assert (seen.finding, seen.lines) == (None, 10)
    for key in list(book.blobs.keys())[:1]:
        book.blobs.delete(key)
    assert book.verify().finding is None


def test_young_lines_may_not_be_missing_from_the_beginning():
    book = new_book([10])
    for item in book.sealed()[:4]:
        book.records.write(Delete(item.key))
    for key in list(book.blobs.keys()):
        book.blobs.delete(key)
    finding = book.verify().finding
    assert (finding.kind, finding.sequence) == (Tampering.REMOVED, 4)


def test_an_index_that_lags_behind_is_looked_at_again():
    book = new_book([5])
    fresh = book.records.query
    looks = []

    def lagging(partition, *, index=None, **asked):
        page = fresh(partition, index=index, **asked)
        if index is Index.LISTING and not looks:
            looks.append(1)
            return type(page)(page.items[:3], None)
        return page

    book.records.query = lagging
    assert book.verify().finding is None
    assert looks


def test_every_organisation_with_a_chain_or_an_archive_is_known():
    from ketbase.audit.verifier import Verifier

    book = new_book([2])
    book.write(1, BOB)
    book.sealer.seal(60)
    verifier = Verifier(book.records, book.archive, book.clock)
    assert verifier.organizations() == ["org_alice", "org_bob"]
    book.records.write(Delete(Key(layout.CHAINS, "org_bob")))
    assert verifier.organizations() == ["org_alice", "org_bob"]


def test_progress_counts_up_to_all_lines():
    from ketbase.audit.verifier import Verifier

    book = new_book([5])
    told = []
    Verifier(book.records, book.archive, book.clock).verify(
        ORGANIZATION, lambda done, total: told.append((done, total))
    )
    assert told == [(n, 5) for n in range(1, 6)]


# --- Hands ---


def with_values(item, **changes):
    return Item(item.key, {**item.values, **changes}, item.indexes, item.expires_at)


def change(book, item, **changes):
    book.records.write(Put(with_values(item, **changes)))


def keep(book, key, lines):
    book.blobs.kept[key] = "".join(json.dumps(line) + "\n" for line in lines).encode()


def rechain(book, items):
    previous, until = "0" * 64, None
    head = None
    for number, item in enumerate(items, 1):
        values = {**item.values, "sequence": number, "previous": previous, "previous_until": until}
        values["hash"] = digest(values)
        previous, until = values["hash"], values["keep_until"]
        indexes = {Index.LISTING: layout.link(ORGANIZATION, number)}
        book.records.write(Put(Item(item.key, values, indexes)))
        head = {"sequence": number, "hash": previous, "until": until}
    book.records.write(Put(Item(layout.head(ORGANIZATION), head)) if head else Delete(layout.head(ORGANIZATION)))
