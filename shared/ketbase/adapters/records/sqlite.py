"""The records port over one SQLite file, shared by any number of threads and processes."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ketbase.adapters.records.conditions import holds, is_integer
from ketbase.adapters.records.rules import horizon, refuse_invalid, successor
from ketbase.adapters.sqlite import Connections
from ketbase.ports.clock import Clock
from ketbase.ports.records import (
    Check,
    ConditionFailedError,
    Delete,
    Index,
    Item,
    Key,
    Page,
    Put,
    Update,
    Write,
)

_INDEX_COLUMNS = [f"{index}_{part}" for index in Index for part in ("partition", "sort")]
_COLUMNS = ", ".join(["partition", "sort", "fields", "expires_at", *_INDEX_COLUMNS])
_ALIVE = "(expires_at IS NULL OR expires_at >= ?)"
_MARKS = ", ".join("?" * (4 + len(_INDEX_COLUMNS)))

_SCHEMA = [
    f"""CREATE TABLE IF NOT EXISTS items (
        partition TEXT NOT NULL, sort TEXT NOT NULL, fields TEXT NOT NULL, expires_at INTEGER,
        {", ".join(f"{column} TEXT" for column in _INDEX_COLUMNS)},
        PRIMARY KEY (partition, sort))""",
    "CREATE INDEX IF NOT EXISTS items_expiry ON items (expires_at) WHERE expires_at IS NOT NULL",
    *(
        f"CREATE INDEX IF NOT EXISTS items_{index} ON items ({index}_partition, {index}_sort) "
        f"WHERE {index}_partition IS NOT NULL"
        for index in Index
    ),
]

# Everything that is put into the statements below is a constant of this module.
_GET = f"SELECT {_COLUMNS} FROM items WHERE partition = ? AND sort = ? AND {_ALIVE}"  # noqa: S608
_PUT = f"INSERT OR REPLACE INTO items ({_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608
_DELETE = "DELETE FROM items WHERE partition = ? AND sort = ?"
_PURGE = "DELETE FROM items WHERE expires_at < ?"


class SqliteRecords:
    """Items as rows of JSON text, their index keys as columns.

    A transaction is in the file system when `write` returns, so that killing any process loses nothing. It is
    not forced onto the disk (`synchronous=NORMAL`): a power cut may take the last moments with it, whole
    transactions at a time and never the file's soundness. Forcing costs a disk flush for every write (1 ms on
    a data-centre disk, 5 ms and more on a laptop), several times the write itself.
    """

    def __init__(self, path: Path, clock: Clock):
        """Use the file at `path`, which is made, with its folder, at the first use."""
        self._clock = clock
        self._connections = Connections(path, _SCHEMA)

    def get(self, key: Key) -> Item | None:
        """Read one item, as the last finished write left it."""
        with self._connections.borrow() as connection:
            return _read(connection, key, horizon(self._clock))

    def get_many(self, keys: Iterable[Key]) -> list[Item]:
        """Read several items in the order of `keys`; the missing and the expired are left out."""
        now = horizon(self._clock)
        with self._connections.borrow() as connection:
            found = (_read(connection, key, now) for key in keys)
            return [item for item in found if item is not None]

    def write(self, *writes: Write) -> None:
        """Do all of the writes or none.

        Raises:
            ConditionFailedError: some condition did not hold.
            BusyError: other writers left no room for `ketbase.adapters.sqlite.PATIENCE_S`.
            ValueError: see `rules.refuse_invalid`.
        """
        refuse_invalid(writes)
        if not writes:
            return
        with self._connections.transaction() as connection:
            now = horizon(self._clock)
            changes = []
            failed = []
            for position, write in enumerate(writes):
                key = write.item.key if isinstance(write, Put) else write.key
                old = _read(connection, key, now) if write.when or isinstance(write, Update) else None
                values = old.values if old else None
                if not all(holds(condition, values) for condition in write.when):
                    failed.append(position)
                elif not isinstance(write, Check):
                    changes.append(_change(write, old))
            if failed:
                raise ConditionFailedError(failed)
            for statement, arguments in changes:
                connection.execute(statement, arguments)

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
        """Read the items of a partition whose sort key begins with `prefix`, in order of the sort key."""
        condition, arguments, sort = _range(partition, prefix, index, horizon(self._clock))
        if after is not None:
            condition += f" AND {sort} {'<' if descending else '>'} ?"
            arguments.append(after)
        order = f"ORDER BY {sort} {'DESC' if descending else 'ASC'} LIMIT ?"
        with self._connections.borrow() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM items WHERE {condition} {order}",  # noqa: S608
                [*arguments, limit + 1],
            ).fetchall()
        items = tuple(_item(row) for row in rows[:limit])
        if len(rows) <= limit:
            return Page(items, None)
        last = items[-1]
        return Page(items, (last.indexes[index] if index else last.key).sort)

    def count(
        self, partition: str, *, prefix: str = "", index: Index | None = None, before: str | None = None
    ) -> int:
        """Count what `query` would find; with `before`, only sort keys below it."""
        condition, arguments, sort = _range(partition, prefix, index, horizon(self._clock))
        if before is not None:
            condition += f" AND {sort} < ?"
            arguments.append(before)
        with self._connections.borrow() as connection:
            counted = connection.execute(f"SELECT count(*) FROM items WHERE {condition}", arguments)  # noqa: S608
            return int(counted.fetchone()[0])

    def check(self) -> None:
        """Read from the file."""
        with self._connections.borrow() as connection:
            connection.execute("SELECT 1 FROM items LIMIT 1").fetchall()

    def purge_expired(self) -> int:
        """Free the room of expired items, which no read shows any more.

        Returns:
            How many there were.
        """
        with self._connections.transaction() as connection:
            return connection.execute(_PURGE, [horizon(self._clock)]).rowcount

    def close(self) -> None:
        """Close the connections that nobody uses at this moment."""
        self._connections.close()


def _read(connection: sqlite3.Connection, key: Key, now: int) -> Item | None:
    row = connection.execute(_GET, (key.partition, key.sort, now)).fetchone()
    return _item(row) if row else None


def _item(row: tuple[Any, ...]) -> Item:
    partition, sort, fields, expires_at, *placed = row
    indexes = {
        index: Key(placed[2 * place], placed[2 * place + 1])
        for place, index in enumerate(Index)
        if placed[2 * place] is not None
    }
    return Item(Key(partition, sort), json.loads(fields), indexes, expires_at)


def _change(write: Put | Update | Delete, old: Item | None) -> tuple[str, tuple[Any, ...]]:
    match write:
        case Put(item):
            return _PUT, _row(item)
        case Update():
            return _PUT, _row(_updated(write, old or Item(write.key, {})))
        case Delete(key):
            return _DELETE, key


def _updated(update: Update, old: Item) -> Item:
    values = {name: value for name, value in old.values.items() if name not in update.remove}
    values |= update.set
    for name, amount in update.add.items():
        before = values.get(name, 0)
        if not is_integer(before):
            raise ValueError(f"{name!r} of {update.key} holds no integer to add to")
        values[name] = before + amount
    indexes = {index: key for index, key in {**old.indexes, **update.indexes}.items() if key is not None}
    return Item(update.key, values, indexes, old.expires_at)


def _row(item: Item) -> tuple[Any, ...]:
    placed = (item.indexes.get(index, (None, None)) for index in Index)
    fields = json.dumps(dict(item.values), separators=(",", ":"))
    return (*item.key, fields, item.expires_at, *(part for key in placed for part in key))


def _range(partition: str, prefix: str, index: Index | None, now: int) -> tuple[str, list[Any], str]:
    """The WHERE clause of a prefix, its arguments, and the name of the column that orders the items."""
    stem = f"{index}_" if index else ""
    sort = f"{stem}sort"
    condition = f"{stem}partition = ? AND {_ALIVE} AND {sort} >= ?"
    arguments: list[Any] = [partition, now, prefix]
    if (bound := successor(prefix)) is not None:
        condition += f" AND {sort} < ?"
        arguments.append(bound)
    return condition, arguments, sort
