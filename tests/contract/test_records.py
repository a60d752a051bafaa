"""What every store of records does."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ketbase.adapters.records.dynamodb import DynamoRecords
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.ports.records import (
    MAX_WRITES,
    Absent,
    AtMost,
    Check,
    Condition,
    ConditionFailedError,
    Delete,
    Equals,
    Index,
    Item,
    Key,
    OneOf,
    Present,
    Put,
    Records,
    Update,
    Write,
)
from tests.fakes import TurnedClock
from tests.servers import create_table

KEY = Key("org#1", "job#1")
OTHER = Key("org#1", "job#2")


@pytest.fixture(params=["sqlite", "dynamodb"])
def records(request: pytest.FixtureRequest, tmp_path: Path, clock: TurnedClock) -> Iterator[Records]:
    if request.param == "sqlite":
        store = SqliteRecords(tmp_path / "records.sqlite", clock)
        yield store
        store.close()
    else:
        yield DynamoRecords(request.getfixturevalue("dynamodb"), request.getfixturevalue("table"), clock)


def item(
    key: Key = KEY,
    /,
    indexes: dict[Index, Key] | None = None,
    expires_at: int | None = None,
    **values: Any,
) -> Item:
    return Item(key, values, indexes or {}, expires_at)


def second(clock: TurnedClock) -> int:
    return int(clock.now().timestamp())


def sorts(items: tuple[Item, ...]) -> list[str]:
    return [found.key.sort for found in items]


def fill(records: Records, *places: str, partition: str = "p") -> None:
    for batch in itertools.batched(places, MAX_WRITES, strict=False):
        records.write(*(Put(Item(Key(partition, place), {"place": place})) for place in batch))


# --- Values ---


def test_a_missing_item_is_none(records: Records) -> None:
    assert records.get(KEY) is None


@pytest.mark.parametrize(
    "value",
    [
        "", "text", "名前 \U0001f600 \x00 \\ \"", 0, -1, 2**63, -(2**63), 10**37, 10**45, True, False, None,
        0.1, -0.0, 1.0, 1e300, 5e-324, [], {}, [1, 2.5, "x", None, True, [[]]], {"a": {"b": [1.0, 1]}, "json": 1},
    ],
    ids=repr,
)  # fmt: skip
def test_a_value_comes_back_with_its_type(records: Records, value: Any) -> None:
    records.write(Put(item(field=value)))
    found = records.get(KEY)
    assert found is not None
    assert repr(found.values["field"]) == repr(value)
    records.write(Update(KEY, set={"field": "other"}))
    records.write(Update(KEY, set={"field": value}))
    found = records.get(KEY)
    assert found is not None
    assert repr(found.values["field"]) == repr(value)


def test_an_item_comes_back_whole(records: Records, clock: TurnedClock) -> None:
    whole = item(
        indexes={Index.WORK: Key("w", "1"), Index.BACKEND: Key("b", "2")},
        expires_at=second(clock) + 60,
        status="queued",
        size=3,
        **{"name with.dots-and spaces": 1, "status ": 2},
    )
    records.write(Put(whole))
    assert records.get(KEY) == whole
    assert records.get_many([KEY]) == [whole]
    assert records.query("org#1").items == (whole,)
    assert records.query("w", index=Index.WORK).items == (whole,)


def test_fields_may_be_called_like_words_of_the_query_language(records: Records) -> None:
    names = ["values", "fields", "key", "index", "status", "name", "order", "add", "set", "size", "not", "#0", ":0"]
    records.write(Put(item(**dict.fromkeys(names, "a"))))
    records.write(Update(KEY, set=dict.fromkeys(names, "b"), when=tuple(Equals(name, "a") for name in names)))
    assert records.get(KEY) == item(**dict.fromkeys(names, "b"))


# --- Writes ---


def test_a_put_replaces_fields_indexes_and_expiry(records: Records, clock: TurnedClock) -> None:
    records.write(Put(item(indexes={Index.WORK: Key("w", "1")}, expires_at=second(clock) + 60, a=1)))
    records.write(Put(item(b=2)))
    assert records.get(KEY) == item(b=2)
    assert records.query("w", index=Index.WORK).items == ()


def test_an_update_sets_adds_and_removes_and_leaves_the_rest(records: Records, clock: TurnedClock) -> None:
    expiry = second(clock) + 60
    records.write(Put(item(expires_at=expiry, kept=1, changed="a", counted=5, removed=[1])))
    records.write(
        Update(KEY, set={"changed": "b", "new": 1.5}, add={"counted": -7, "fresh": 2}, remove=("removed", "never"))
    )
    assert records.get(KEY) == item(expires_at=expiry, kept=1, changed="b", counted=-2, new=1.5, fresh=2)


@pytest.mark.parametrize(
    ("update", "values"),
    [
        (Update(KEY, set={"a": 1}), {"a": 1}),
        (Update(KEY, add={"a": 3}), {"a": 3}),
        (Update(KEY, remove=("a",)), {}),
        (Update(KEY), {}),
    ],
)
@pytest.mark.parametrize("company", [(), (Put(item(OTHER)),)], ids=["alone", "in company"])
def test_an_update_makes_a_missing_item(
    records: Records, update: Update, values: dict[str, Any], company: tuple[Write, ...]
) -> None:
    records.write(update, *company)
    assert records.get(KEY) == item(**values)


def test_an_update_moves_an_item_between_indexes(records: Records) -> None:
    records.write(Put(item(indexes={Index.WORK: Key("waiting", "1"), Index.LISTING: Key("l", "1")}, a=1)))
    records.write(Update(KEY, indexes={Index.WORK: Key("running", "9"), Index.LISTING: None, Index.BACKEND: None}))
    assert records.get(KEY) == item(indexes={Index.WORK: Key("running", "9")}, a=1)
    assert records.query("waiting", index=Index.WORK).items == ()
    assert records.query("l", index=Index.LISTING).items == ()
    assert sorts(records.query("running", index=Index.WORK).items) == [KEY.sort]


def test_a_large_integer_is_added_to_exactly(records: Records) -> None:
    records.write(Update(KEY, set={"cost": 2**62}))
    records.write(Update(KEY, add={"cost": 2**62 - 1}))
    assert records.get(KEY) == item(cost=2**63 - 1)


def test_a_delete_takes_the_item_away_and_a_second_one_is_no_error(records: Records) -> None:
    records.write(Put(item(indexes={Index.WORK: Key("w", "1")})))
    records.write(Delete(KEY))
    records.write(Delete(KEY))
    assert records.get(KEY) is None
    assert records.query("w", index=Index.WORK).items == ()


def test_nothing_to_write_is_no_error(records: Records) -> None:
    records.write()
    records.write(Check(KEY, ()))
    records.write(Check(KEY, ()), Put(item(OTHER)))
    assert records.get(OTHER) is not None


def test_a_hundred_writes_are_one_write(records: Records) -> None:
    writes = [Put(item(Key("p", f"{n:03}"), n=n)) for n in range(MAX_WRITES)]
    with pytest.raises(ConditionFailedError) as refused:
        records.write(*writes[:-1], Put(item(Key("p", "099")), when=(Present(),)))
    assert refused.value.failed == (99,)
    assert records.count("p") == 0
    records.write(*writes)
    assert records.count("p") == MAX_WRITES


@pytest.mark.parametrize(
    "writes",
    [
        [Put(item(Key("p", f"{n}"))) for n in range(MAX_WRITES + 1)],
        [Put(item(a=1)), Delete(KEY)],
        [Put(item(Key("", "s")))],
        [Delete(Key("p", ""))],
        [Update(KEY, indexes={Index.WORK: Key("w", "")})],
        [Put(item(indexes={Index.WORK: Key("", "s")}))],
        [Put(item(work_sort="x"))],
        [Update(KEY, set={"partition": "x"})],
        [Update(KEY, remove=("expires_at",))],
        [Update(KEY, set={"a": 1}, add={"a": 1})],
        [Update(KEY, add={"a": 1}, remove=("a",))],
    ],
)
def test_a_write_that_some_store_could_not_hold_is_refused(records: Records, writes: list[Write]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        records.write(Put(item(OTHER)), *writes)
    assert records.get(OTHER) is None


# --- Conditions ---

EXPIRED = "expired"
CASES: list[tuple[Condition, Any, bool]] = [
    (Absent(), None, True),
    (Absent(), {}, False),
    (Absent(), EXPIRED, True),
    (Present(), None, False),
    (Present(), {}, True),
    (Present(), EXPIRED, False),
    (Equals("s", "a"), None, False),
    (Equals("s", "a"), {}, False),
    (Equals("s", "a"), {"s": "a"}, True),
    (Equals("s", "a"), {"s": "A"}, False),
    (Equals("s", "a"), EXPIRED, False),
    (Equals("s", ""), {"s": ""}, True),
    (Equals("s", ""), {"s": None}, False),
    (Equals("s", 1), {"s": 1}, True),
    (Equals("s", 1), {"s": True}, False),
    (Equals("s", 1), {"s": 1.0}, False),
    (Equals("s", 1), {"s": "1"}, False),
    (Equals("s", True), {"s": True}, True),
    (Equals("s", True), {"s": 1}, False),
    (Equals("s", False), {}, False),
    (Equals("s", 2**63), {"s": 2**63}, True),
    (Equals("s", 2**63), {"s": 2**63 + 1}, False),
    (OneOf("s", ("a", 1, False)), {"s": "a"}, True),
    (OneOf("s", ("a", 1, False)), {"s": 1}, True),
    (OneOf("s", ("a", 1, False)), {"s": 0}, False),
    (OneOf("s", ("a", 1, False)), {"s": ["a"]}, False),
    (OneOf("s", ("a", 1, False)), None, False),
    (OneOf("s", ("a", 1, False)), EXPIRED, False),
    (OneOf("s", ()), {"s": "a"}, False),
    (AtMost("n", 5), {"n": 5}, True),
    (AtMost("n", 5), {"n": 6}, False),
    (AtMost("n", 5), {}, True),
    (AtMost("n", 5), None, True),
    (AtMost("n", 5), EXPIRED, True),
    (AtMost("n", 5), {"n": "1"}, False),
    (AtMost("n", 5), {"n": 1.0}, False),
    (AtMost("n", 5), {"n": None}, False),
    (AtMost("n", 5), {"n": False}, False),
    (AtMost("n", -1), {}, False),
    (AtMost("n", -1), None, False),
    (AtMost("n", -1), EXPIRED, False),
    (AtMost("n", -1), {"n": -1}, True),
]


@pytest.mark.parametrize("company", [False, True], ids=["alone", "in company"])
@pytest.mark.parametrize("kind", ["put", "update", "delete", "check"])
def test_a_write_is_done_exactly_if_its_condition_holds(
    records: Records, clock: TurnedClock, kind: str, company: bool
) -> None:
    for number, (condition, before, holds) in enumerate(CASES):
        key = Key("case", f"{number}")
        old = item(key, s="a", n=9, expires_at=second(clock) + 1) if before == EXPIRED else None
        old = item(key, **before) if isinstance(before, dict) else old
        if old is not None:
            records.write(Put(old))
        clock.turn(2)
        visible = None if before == EXPIRED else old
        write: Write
        match kind:
            case "put":
                write, after = Put(item(key, new=1), (condition,)), item(key, new=1)
            case "update":
                write = Update(key, set={"new": 1}, when=(condition,))
                after = item(key, **(visible.values if visible else {}), new=1)
            case "delete":
                write, after = Delete(key, (condition,)), None
            case _:
                write, after = Check(key, (condition,)), visible
        writes = [Put(item(Key("company", f"{number}"))), write] if company else [write]
        try:
            records.write(*writes)
            failed = ()
        except ConditionFailedError as error:
            failed = error.failed
        case = f"{condition} on {before}"
        assert failed == (() if holds else (len(writes) - 1,)), case
        assert records.get(key) == (after if holds else visible), case
        assert records.count("company", prefix=f"{number}") == (1 if company and holds else 0), case


def test_all_conditions_of_a_write_must_hold(records: Records) -> None:
    records.write(Put(item(a=1, b=2)))
    with pytest.raises(ConditionFailedError):
        records.write(Delete(KEY, (Equals("a", 1), Equals("b", 1))))
    records.write(Delete(KEY, (Present(), Equals("a", 1), Equals("b", 2), AtMost("a", 1))))
    assert records.get(KEY) is None


def test_failed_conditions_are_named_by_position_and_nothing_is_written(records: Records) -> None:
    records.write(Put(item(a=1)))
    with pytest.raises(ConditionFailedError) as refused:
        records.write(
            Check(Key("p", "0"), ()),
            Put(item(Key("p", "1"))),
            Update(KEY, add={"a": 1}, when=(Equals("a", 2),)),
            Delete(Key("p", "3")),
            Check(Key("p", "4"), (Present(),)),
            Put(item(Key("p", "5")), when=(Absent(),)),
        )
    assert refused.value.failed == (2, 4)
    assert records.get(KEY) == item(a=1)
    assert records.count("p") == 0


# --- Expiry ---


def test_an_item_is_seen_until_its_second_and_not_after_it(records: Records, clock: TurnedClock) -> None:
    mortal = item(indexes={Index.LISTING: Key("l", "1")}, expires_at=second(clock) + 10, a=1)
    records.write(Put(mortal), Put(item(OTHER)))
    clock.turn(10)
    assert records.get(KEY) == mortal
    assert records.count("org#1") == 2
    clock.turn(0.001)
    assert records.get(KEY) is None
    assert records.get_many([KEY, OTHER]) == [item(OTHER)]
    assert sorts(records.query("org#1").items) == [OTHER.sort]
    assert records.query("l", index=Index.LISTING).items == ()
    assert records.count("org#1") == 1
    assert records.count("l", index=Index.LISTING) == 0


@pytest.mark.parametrize("company", [(), (Put(item(OTHER)),)], ids=["alone", "in company"])
@pytest.mark.parametrize("when", [(), (Absent(),), (AtMost("n", 0),)])
def test_an_update_of_an_expired_item_begins_with_nothing(
    records: Records, clock: TurnedClock, when: tuple[Condition, ...], company: tuple[Write, ...]
) -> None:
    records.write(Put(item(indexes={Index.WORK: Key("w", "1")}, expires_at=second(clock) + 1, n=5, old=1)))
    clock.turn(5)
    records.write(Update(KEY, add={"n": 1}, when=when), *company)
    assert records.get(KEY) == item(n=1)


def test_a_refused_write_leaves_the_expired_item_of_its_company_expired(
    records: Records, clock: TurnedClock
) -> None:
    records.write(Put(item(expires_at=second(clock) + 1, n=5)))
    clock.turn(5)
    with pytest.raises(ConditionFailedError) as refused:
        records.write(Update(KEY, add={"n": 1}), Check(OTHER, (Present(),)))
    assert refused.value.failed == (1,)
    assert records.get(KEY) is None


def test_a_page_is_full_even_where_items_have_expired(records: Records, clock: TurnedClock) -> None:
    for n in range(40):
        expires_at = second(clock) + 1 if n % 4 else None
        records.write(Put(item(Key("p", f"{n:02}"), expires_at=expires_at)))
    clock.turn(5)
    page = records.query("p", limit=7)
    assert sorts(page.items) == ["00", "04", "08", "12", "16", "20", "24"]
    assert sorts(records.query("p", limit=7, after=page.next).items) == ["28", "32", "36"]


# --- Reading many ---


def test_many_items_come_in_the_order_asked_for(records: Records) -> None:
    fill(records, *(f"{n:03}" for n in range(250)))
    wanted = [Key("p", f"{n:03}") for n in range(249, -1, -1)]
    asked = [Key("p", "missing"), *wanted, Key("q", "000"), Key("p", "007")]
    assert [found.key for found in records.get_many(iter(asked))] == [*wanted, Key("p", "007")]
    assert records.get_many([]) == []


# --- Queries ---

PLACES = ["A", "a", "a!", "a#1", "a#2", "a#20", "a$", "aa", "b", "z", "é", "～", "\U0001f600"]
"""In order by code point: where UTF-16 or a locale sorts differently, too."""


def test_items_are_ordered_by_code_point(records: Records) -> None:
    fill(records, *reversed(PLACES))
    assert sorts(records.query("p").items) == PLACES == sorted(PLACES)
    assert sorts(records.query("p", descending=True).items) == PLACES[::-1]


@pytest.mark.parametrize("prefix", ["", "a", "a#", "a#2", "b", "é", "\U0001f600", "%", "_", "a_", "B"])
@pytest.mark.parametrize("after", [None, "!", "A", "a", "a#", "a#2", "a#20", "a$", "b", "\U0001f600", "\U0001f700"])
@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
def test_a_query_finds_what_begins_with_the_prefix_and_lies_behind_the_cursor(
    shelf: Records, prefix: str, after: str | None, descending: bool
) -> None:
    ahead = [
        place
        for place in sorted(PLACES, reverse=descending)
        if place.startswith(prefix) and (after is None or (place < after if descending else place > after))
    ]
    page = shelf.query("p", prefix=prefix, after=after, descending=descending)
    assert sorts(page.items) == ahead
    assert page.next is None
    if descending:
        assert shelf.count("p", prefix=prefix, before=after) == len(ahead)


@pytest.fixture(scope="module", params=["sqlite", "dynamodb"])
def shelf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    """A store with `PLACES`, for tests that only read."""
    if request.param == "sqlite":
        store: Records = SqliteRecords(tmp_path_factory.mktemp("shelf") / "records.sqlite", TurnedClock())
    else:
        client = request.getfixturevalue("dynamodb")
        create_table(client, "shelf")
        store = DynamoRecords(client, "shelf", TurnedClock())
    fill(store, *PLACES)
    fill(store, *PLACES, partition="q")
    yield store
    if isinstance(store, SqliteRecords):
        store.close()


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("index", [None, Index.LISTING])
def test_pages_follow_each_other_to_the_end_without_an_empty_one(
    records: Records, limit: int, descending: bool, index: Index | None
) -> None:
    for n in range(6):
        at = {Index.LISTING: Key("l", f"i{9 - n}")}
        records.write(Put(item(Key("p", f"t{n}"), indexes=at)), Put(item(Key("p", f"z{n}"))))
    partition, prefix = ("l", "i") if index else ("p", "t")
    found: list[str] = []
    pages = 0
    after = None
    while True:
        page = records.query(partition, prefix=prefix, index=index, after=after, descending=descending, limit=limit)
        found += sorts(page.items)
        pages += 1
        if page.next is None:
            break
        after = page.next
    assert found == sorted((f"t{n}" for n in range(6)), reverse=descending != (index is not None))
    assert pages == -(-6 // limit)


def test_an_index_holds_only_what_has_a_key_for_it(records: Records) -> None:
    records.write(
        Put(item(Key("p", "1"), indexes={Index.WORK: Key("w", "b"), Index.BACKEND: Key("w", "c")})),
        Put(item(Key("q", "2"), indexes={Index.WORK: Key("w", "a")})),
        Put(item(Key("p", "3"))),
    )
    assert sorts(records.query("w", index=Index.WORK).items) == ["2", "1"]
    assert sorts(records.query("w", index=Index.BACKEND).items) == ["1"]
    assert records.query("w", index=Index.LISTING).items == ()
    assert records.query("w").items == ()
    assert records.count("w", index=Index.WORK) == 2
    assert records.count("w", index=Index.WORK, before="b") == 1
    assert records.count("w", index=Index.WORK, prefix="b", before="b") == 0


def test_a_query_reads_on_where_one_answer_cannot_hold_all(records: Records) -> None:
    for n in range(30):
        records.write(Put(item(Key("p", f"{n:02}"), text="x" * 100_000)))
    assert len(records.query("p").items) == 30
    assert records.count("p") == 30


def test_partitions_are_apart(records: Records) -> None:
    fill(records, "1", "2", partition="org#1")
    fill(records, "3", partition="org#10")
    assert sorts(records.query("org#1").items) == ["1", "2"]
    assert records.count("org#10") == 1


def test_the_store_says_that_it_answers(records: Records) -> None:
    records.check()


def test_a_key_longer_than_any_store_takes_finds_nothing_and_is_not_written(records: Records) -> None:
    for key in (Key("p" * 2_049, "s"), Key("p", "s" * 1_025), Key("p", "é" * 513)):
        assert records.get(key) is None
        assert records.get_many([key]) == []
        with pytest.raises(ValueError, match="too long"):
            records.write(Put(item(key)))
    assert records.query("p" * 2_049).items == ()
    assert records.count("p" * 2_049) == 0
    longest = Key("p" * 2_048, "s" * 1_024)
    records.write(Put(item(longest, n=1)))
    assert records.get(longest) == item(longest, n=1)
