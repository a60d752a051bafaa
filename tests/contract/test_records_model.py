"""SQLite, DynamoDB and a plain dictionary answer alike, whatever is written."""

import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ketbase.adapters.records.dynamodb import DynamoRecords
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.ports.records import (
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
    Page,
    Present,
    Put,
    Records,
    Update,
    Write,
)
from tests.fakes import TurnedClock
from tests.servers import create_table

TABLES = itertools.count()
PARTITIONS = ["p", "q"]
SORTS = ["a", "a#1", "a#2", "b", "é", "\U0001f600"]
EDGES = [*SORTS, "a#", "A", "z", "～"]

keys = st.builds(Key, st.sampled_from(PARTITIONS), st.sampled_from(SORTS))
numbers = st.integers(-3, 3)
scalars = st.one_of(numbers, st.booleans(), st.sampled_from(["", "1", "a"]))
values = st.one_of(scalars, st.none(), st.floats(-3, 3).map(float), st.lists(scalars, max_size=2))
fields = st.dictionaries(st.sampled_from(["s", "t"]), values)
counters = st.dictionaries(st.sampled_from(["n", "m"]), numbers)
names = st.sampled_from(["s", "t", "n", "m"])
conditions: st.SearchStrategy[Condition] = st.one_of(
    st.just(Absent()),
    st.just(Present()),
    st.builds(Equals, names, scalars),
    st.builds(OneOf, names, st.lists(scalars, max_size=3).map(tuple)),
    st.builds(AtMost, names, numbers),
)
whens = st.just(()) | st.lists(conditions, max_size=2).map(tuple)
orders = st.dictionaries(st.sampled_from(Index), st.sampled_from(["1", "2", "3"]))


def placed(key: Key, order: dict[Index, str]) -> dict[Index, Key]:
    """Index keys that end in the item's own, and so are unique."""
    return {index: Key("w", f"{place}/{key.partition}/{key.sort}") for index, place in order.items()}


@st.composite
def writes(draw: st.DrawFn, moment: int) -> list[Write]:
    chosen: list[Write] = []
    for key in draw(st.lists(keys, min_size=1, max_size=4, unique=True)):
        match draw(st.sampled_from([Put, Update, Update, Delete, Check])):
            case kind if kind is Put:
                expires_at = draw(st.none() | st.integers(0, 20).map(lambda wait: moment + wait))
                content = draw(fields) | draw(counters)
                chosen.append(Put(Item(key, content, placed(key, draw(orders)), expires_at), draw(whens)))
            case kind if kind is Update:
                moved: dict[Index, Key | None] = {**placed(key, draw(orders))}
                moved |= dict.fromkeys(draw(st.sets(st.sampled_from(Index))))
                written, added = draw(fields), draw(counters)
                removed = tuple(draw(st.sets(names)) - set(written) - set(added))
                chosen.append(Update(key, written, added, removed, moved, draw(whens)))
            case kind if kind is Delete:
                chosen.append(Delete(key, draw(whens)))
            case _:
                chosen.append(Check(key, draw(whens)))
    return chosen


@dataclass
class Model:
    """What the port promises, in the plainest way."""

    clock: TurnedClock
    items: dict[Key, Item] = field(default_factory=dict)

    def get(self, key: Key) -> Item | None:
        found = self.items.get(key)
        if found and found.expires_at is not None and self.clock.now().timestamp() > found.expires_at:
            return None
        return found

    def holds(self, condition: Condition, item: Item | None) -> bool:
        typed = {} if item is None else {name: (type(value), value) for name, value in item.values.items()}
        match condition:
            case Absent():
                return item is None
            case Present():
                return item is not None
            case Equals(name, value):
                return typed.get(name) == (type(value), value)
            case OneOf(name, choices):
                return any(typed.get(name) == (type(choice), choice) for choice in choices)
            case AtMost(name, bound):
                kind, value = typed.get(name, (int, 0))
                return kind is int and value <= bound

    def write(self, *writes: Write) -> None:
        failed = []
        after = dict(self.items)
        for position, write in enumerate(writes):
            key = write.item.key if isinstance(write, Put) else write.key
            old = self.get(key)
            if not all(self.holds(condition, old) for condition in write.when):
                failed.append(position)
            elif isinstance(write, Put):
                after[key] = write.item
            elif isinstance(write, Delete):
                after.pop(key, None)
            elif isinstance(write, Update):
                after[key] = self.updated(old or Item(key, {}), write)
        if failed:
            raise ConditionFailedError(failed)
        self.items = after

    def updated(self, old: Item, update: Update) -> Item:
        content = {**old.values, **update.set}
        for name, amount in update.add.items():
            content[name] = content.get(name, 0) + amount
        for name in update.remove:
            content.pop(name, None)
        indexes = {**old.indexes, **update.indexes}
        kept = {index: key for index, key in indexes.items() if key is not None}
        return Item(old.key, content, kept, old.expires_at)

    def query(
        self, partition: str, prefix: str, index: Index | None, after: str | None, descending: bool, limit: int
    ) -> Page:
        found = {}
        for key in self.items:
            item = self.get(key)
            place = item and (item.indexes.get(index) if index else key)
            if item and place and place.partition == partition and place.sort.startswith(prefix):
                found[place.sort] = item
        ahead = [
            sort
            for sort in sorted(found, reverse=descending)
            if after is None or (sort < after if descending else sort > after)
        ]
        more = len(ahead) > limit
        return Page(tuple(found[sort] for sort in ahead[:limit]), ahead[limit - 1] if more else None)


def result(store: Any, chosen: list[Write]) -> tuple[int, ...] | None:
    try:
        store.write(*chosen)
    except ConditionFailedError as error:
        return error.failed
    return None


class Congruence(RuleBasedStateMachine):
    """One history, told to all stores."""

    client: Any

    @initialize()
    def begin(self) -> None:
        self.clock = TurnedClock()
        self.clock.turn(3e9)
        self.folder = tempfile.TemporaryDirectory()
        self.sqlite = SqliteRecords(Path(self.folder.name) / "records.sqlite", self.clock)
        table = f"model-{next(TABLES)}"
        create_table(self.client, table)
        self.stores: list[Records] = [self.sqlite, DynamoRecords(self.client, table, self.clock)]
        self.model = Model(self.clock)
        order = {Index.WORK: "1", Index.LISTING: "2"}
        soon = int(self.clock.now().timestamp())
        for partition, expires_at in (("p", None), ("q", soon + 5)):
            filled = [Key(partition, sort) for sort in SORTS]
            self.tell([Put(Item(key, {"n": 1, "s": "a"}, placed(key, order), expires_at)) for key in filled])

    def teardown(self) -> None:
        self.sqlite.close()
        self.folder.cleanup()

    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        self.tell(data.draw(writes(int(self.clock.now().timestamp()))))

    def tell(self, chosen: list[Write]) -> None:
        """Do the writes everywhere, with the same outcome."""
        expected = result(self.model, chosen)
        for store in self.stores:
            assert result(store, chosen) == expected, store

    @rule(seconds=st.sampled_from([0.5, 1, 7]))
    def wait(self, seconds: float) -> None:
        self.clock.turn(seconds)

    @rule()
    def purge(self) -> None:
        self.sqlite.purge_expired()

    @rule(
        partition=st.sampled_from(PARTITIONS),
        prefix=st.sampled_from(["", "a", "a#", "é", "z"]),
        after=st.none() | st.sampled_from(EDGES),
        descending=st.booleans(),
        limit=st.integers(1, 4),
    )
    def query(self, partition: str, prefix: str, after: str | None, descending: bool, limit: int) -> None:
        expected = self.model.query(partition, prefix, None, after, descending, limit)
        counted = len(self.model.query(partition, prefix, None, after, True, 100).items)
        for store in self.stores:
            page = store.query(partition, prefix=prefix, after=after, descending=descending, limit=limit)
            assert canonical(page.items) == canonical(expected.items), store
            assert page.next == expected.next, store
            assert store.count(partition, prefix=prefix, before=after) == counted, store

    @rule(
        index=st.sampled_from(Index),
        prefix=st.sampled_from(["", "1", "2/p"]),
        after=st.none() | st.sampled_from(["1", "1/p/a", "2/q/b", "4"]),
        descending=st.booleans(),
        limit=st.integers(1, 4),
    )
    def query_index(self, index: Index, prefix: str, after: str | None, descending: bool, limit: int) -> None:
        expected = self.model.query("w", prefix, index, after, descending, limit)
        counted = len(self.model.query("w", prefix, index, after, True, 100).items)
        for store in self.stores:
            page = store.query("w", prefix=prefix, index=index, after=after, descending=descending, limit=limit)
            assert canonical(page.items) == canonical(expected.items), store
            assert page.next == expected.next, store
            assert store.count("w", prefix=prefix, index=index, before=after) == counted, store

    @invariant()
    def every_item_is_the_same(self) -> None:
        every = [Key(partition, sort) for partition in PARTITIONS for sort in SORTS]
        expected = canonical(item for key in every if (item := self.model.get(key)))
        for store in self.stores:
            assert canonical(store.get_many(every)) == expected, store


def canonical(items: Any) -> list[str]:
    """Items as text in which the order of names plays no part, but the type of each value does."""
    return [
        repr((item.key, sorted(item.values.items()), sorted(item.indexes.items()), item.expires_at))
        for item in items
    ]


@pytest.mark.timeout(120)
def test_all_stores_answer_alike_whatever_is_written(dynamodb: Any) -> None:
    machine = type("Congruence", (Congruence,), {"client": dynamodb})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
