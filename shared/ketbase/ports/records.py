"""The records port: small items under a partition and a sort key, written conditionally, all or nothing.

The vocabulary is the common part of DynamoDB and SQLite that the services use. Strings, integers and booleans
are *scalars*: conditions and counters work on them. Floats, lists and objects are kept and returned unchanged,
but no condition looks inside them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

type Scalar = str | int | bool
type Values = Mapping[str, Any]

MAX_WRITES = 100
"""The most writes one call may hold (DynamoDB's limit for a transaction)."""


class Key(NamedTuple):
    """Where an item lies: a partition, and its place in the partition's order (by code point)."""

    partition: str
    sort: str


class Index(StrEnum):
    """The secondary indexes. An item is in an index only while it carries a key for it.

    Sort keys are unique within an index partition (services end them in the item's id), so that a sort key is
    a page cursor. An index may lag behind the items for a moment.
    """

    WORK = "work"
    """What waits (by organisation and priority) and what runs (by start time)."""
    LISTING = "listing"
    """An organisation's items of one kind, by some property such as the status."""
    BACKEND = "backend"
    """What waits for one backend, over all organisations."""


@dataclass(frozen=True, slots=True)
class Item:
    """One stored item.

    Attributes:
        values: JSON-like; the names `partition`, `sort`, `expires_at`, `written_by` and `{index}_…` are the
            adapters' own.
        expires_at: seconds since the epoch after which no read shows the item any more; `None` is for ever.
    """

    key: Key
    values: Values
    indexes: Mapping[Index, Key] = field(default_factory=dict)
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """Holds if there is no such item, or only an expired one."""


@dataclass(frozen=True, slots=True)
class Present:
    """Holds if there is such an item and it has not expired."""


@dataclass(frozen=True, slots=True)
class Equals:
    """Holds if the item has this scalar in this field."""

    name: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class OneOf:
    """Holds if the item has one of these scalars in this field."""

    name: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class AtMost:
    """Holds if the integer in this field (0 where there is none) is at most `bound`, before the write."""

    name: str
    bound: int


type Condition = Absent | Present | Equals | OneOf | AtMost


@dataclass(frozen=True, slots=True)
class Put:
    """Write the whole item, in place of what lay there."""

    item: Item
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """Change some fields of an item; make it where it is missing, unless a condition says otherwise.

    Attributes:
        set: fields to write.
        add: integers to add to fields (a missing field counts as 0).
        remove: fields to take away.
        indexes: index keys to write; `None` takes the item out of that index.
    """

    key: Key
    set: Values = field(default_factory=dict)
    add: Mapping[str, int] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    indexes: Mapping[Index, Key | None] = field(default_factory=dict)
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """Take an item away; a missing one is no error unless a condition says so."""

    key: Key
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """Write nothing, but let the whole write fail unless the conditions hold."""

    key: Key
    when: tuple[Condition, ...]


type Write = Put | Update | Delete | Check


class ConditionFailedError(Exception):
    """At least one condition did not hold, and nothing was written.

    Attributes:
        failed: positions, in the order given to `write`, of the writes whose conditions did not hold.
    """

    def __init__(self, failed: Sequence[int]):
        super().__init__(f"conditions did not hold for writes {list(failed)}")
        self.failed = tuple(failed)


class BusyError(Exception):
    """The store was asked again and again and still had no room for this write; nothing was written."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some items of a query, in order.

    Attributes:
        next: the sort key to give as `after` for the page that follows; `None` at the end.
    """

    items: tuple[Item, ...]
    next: str | None


class Records(Protocol):
    """Small items with conditional, transactional writes."""

    def get(self, key: Key) -> Item | None:
        """Read one item, as the last finished write left it."""

    def get_many(self, keys: Iterable[Key]) -> list[Item]:
        """Read several items in the order of `keys`; the missing and the expired are left out."""

    def write(self, *writes: Write) -> None:
        """Do all of the writes or none.

        A passing conflict with another writer is tried again inside.

        Raises:
            ConditionFailedError: some condition did not hold.
            BusyError: the conflicts did not end.
            ValueError: more than `MAX_WRITES` writes, two on the same key, an empty part of a key, a field that
                is the adapters' own, or one that an update changes twice.
        """

    def query(
        self,
        partition: str,
        *,
        prefix: str = "",
        index: Index | None = None,
        after: str | None = None,
        descending: bool = False,
        limit: int = 100,
    ) -> Page:
        """Read the items of a partition whose sort key begins with `prefix`, in order of the sort key.

        Args:
            partition: of the table, or of `index` where one is given.
            prefix: the empty string takes the whole partition.
            index: the secondary index to read instead of the table.
            after: a sort key; the page begins behind it (in the direction of travel).
            descending: from the highest sort key down.
            limit: the most items on the page.
        """

    def count(
        self, partition: str, *, prefix: str = "", index: Index | None = None, before: str | None = None
    ) -> int:
        """Count what `query` would find; with `before`, only sort keys below it."""

    def check(self) -> None:
        """Do the least that proves the store answers; raises whatever the store raises."""


def walk(
    records: Records,
    partition: str,
    *,
    prefix: str = "",
    index: Index | None = None,
    after: str | None = None,
    descending: bool = False,
    limit: int = 100,
) -> Iterator[Item]:
    """Read all that `Records.query` would find, page by page as it is asked for.

    The arguments are those of `Records.query`; `limit` is the most items that one read brings.
    """
    while True:
        page = records.query(partition, prefix=prefix, index=index, after=after, descending=descending, limit=limit)
        yield from page.items
        if page.next is None:
            return
        after = page.next
