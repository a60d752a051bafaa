"""The vectors port over one SQLite file and index files beside it, shared by any number of threads and processes.

Every vector has a key that counts up and is never used again; an upsert gives a new one. So an index that knows the
keys up to some number knows what it lacks, whoever wrote it, and what it still holds of a vector that was replaced.
Small namespaces, and what a filter leaves of large ones, are compared one by one, exactly.

Only searching, and indexing a large namespace, needs NumPy and USearch; the rest imports neither.
"""

import json
import math
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any, NamedTuple

from ketbase.adapters.sqlite import Connections
from ketbase.adapters.vectors.labels import passing_labels, values_of
from ketbase.adapters.vectors.rules import refuse_ids, refuse_place, refuse_queries, refuse_vectors
from ketbase.ports.vectors import Collection, Condition, Match, Vector

if TYPE_CHECKING:
    from ketbase.adapters.vectors.ann import Indexes, SpaceIndex
    from ketbase.adapters.vectors.scoring import Row

MOST_EXACT = 5_000
"""Up to so many vectors are compared one by one."""
SELECTIVE = 10
"""A filter that leaves less than one in so many is answered one by one too: too few of the proposals would pass."""
MOST_BEHIND = 1_000
"""So many of the latest vectors may be missing in an index; they are compared one by one."""
_OVERSAMPLED = 2
_MORE = 4
_AT_ONCE = 1_000

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS collections (name TEXT PRIMARY KEY, dimension INTEGER, metric TEXT) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS spaces (
        space INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, namespace TEXT NOT NULL,
        size INTEGER NOT NULL DEFAULT 0, UNIQUE (collection, namespace))""",
    """CREATE TABLE IF NOT EXISTS vectors (
        key INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER NOT NULL, id TEXT NOT NULL, metadata TEXT NOT NULL,
        components BLOB NOT NULL)""",
    "CREATE UNIQUE INDEX IF NOT EXISTS vectors_id ON vectors (space, id)",
    "CREATE INDEX IF NOT EXISTS vectors_space ON vectors (space, key)",
    """CREATE TABLE IF NOT EXISTS labels (
        space INTEGER NOT NULL, name TEXT NOT NULL, value NOT NULL, key INTEGER NOT NULL,
        PRIMARY KEY (space, name, value, key)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS labels_key ON labels (key)",
)


class _Space(NamedTuple):
    """A namespace of a collection; `size` is how many vectors it has."""

    number: int
    size: int


class EmbeddedVectors:
    """Vectors in a folder.

    A write is on the disk when it returns (`synchronous=FULL`): keys that a power cut took back would be given
    again, and an index would take what they stood for then for what they stand for now.
    """

    def __init__(self, folder: Path):
        """Use a folder, which is made at the first use."""
        self._folder = folder / "indexes"
        self._connections = Connections(folder / "vectors.db", _SCHEMA, durable=True)
        self._opened: Indexes | None = None

    # --- Writing ---

    def upsert(self, collection: Collection, namespace: str, vectors: Sequence[Vector]) -> None:
        """Keep vectors, all of them or none, each in place of the one that had its id."""
        refuse_place(collection, namespace)
        refuse_vectors(collection, vectors)
        if not vectors:
            return
        with self._connections.transaction() as connection:
            _make(connection, collection, namespace)
            space = _find(connection, collection, namespace)
            assert space is not None  # noqa: S101 (just made)
            gone = _remove(connection, space.number, [vector.id for vector in vectors])
            for vector in vectors:
                _insert(connection, space.number, vector)
            space = space._replace(size=space.size + len(vectors) - gone)
            connection.execute("UPDATE spaces SET size = ? WHERE space = ?", (space.size, space.number))
        if space.size > MOST_EXACT:
            with self._connections.snapshot() as connection:
                self._index(connection, collection, space, behind=MOST_BEHIND)

    def delete(self, collection: Collection, namespace: str, ids: Sequence[str]) -> None:
        """Take vectors away; the missing are no error."""
        refuse_place(collection, namespace)
        refuse_ids(ids)
        with self._connections.transaction() as connection:
            space = _find(connection, collection, namespace)
            if space is not None:
                gone = _remove(connection, space.number, ids)
                connection.execute("UPDATE spaces SET size = size - ? WHERE space = ?", (gone, space.number))

    def erase(self, collection: Collection, namespace: str) -> None:
        """Take all of a namespace's vectors away, and their index."""
        refuse_place(collection, namespace)
        with self._connections.transaction() as connection:
            space = _find(connection, collection, namespace)
            if space is None:
                return
            connection.execute("DELETE FROM labels WHERE space = ?", (space.number,))
            connection.execute("DELETE FROM vectors WHERE space = ?", (space.number,))
            connection.execute("DELETE FROM spaces WHERE space = ?", (space.number,))
        self._sweep(space.number)

    # --- Reading ---

    def fetch(self, collection: Collection, namespace: str, ids: Sequence[str]) -> list[Vector]:
        """Read vectors in the order of `ids`; the missing are left out."""
        refuse_place(collection, namespace)
        refuse_ids(ids)
        with self._connections.snapshot() as connection:
            space = _find(connection, collection, namespace)
            if space is None:
                return []
            rows = connection.execute(
                "SELECT id, components, metadata FROM vectors "
                "WHERE space = ? AND id IN (SELECT value FROM json_each(?))",
                (space.number, json.dumps(list(ids))),
            )
            kept = {name: _vector(name, components, metadata) for name, components, metadata in rows}
        return [kept[each] for each in ids if each in kept]

    def count(self, collection: Collection, namespace: str) -> int:
        """Count a namespace's vectors."""
        refuse_place(collection, namespace)
        with self._connections.snapshot() as connection:
            space = _find(connection, collection, namespace)
            return 0 if space is None else space.size

    def ids(self, collection: Collection, namespace: str, prefix: str = "") -> Iterator[str]:
        """Walk all ids that begin with `prefix`, in order."""
        refuse_place(collection, namespace)
        after = ""
        while True:
            with self._connections.snapshot() as connection:
                space = _find(connection, collection, namespace)
                if space is None:
                    return
                rows = connection.execute(
                    "SELECT id FROM vectors WHERE space = ? AND id > ? AND id >= ? AND id < ? ORDER BY id LIMIT ?",
                    (space.number, after, prefix, f"{prefix}\x80", _AT_ONCE),
                ).fetchall()
            yield from (row[0] for row in rows)
            if len(rows) < _AT_ONCE:
                return
            after = rows[-1][0]

    def check(self) -> None:
        """Read from the file."""
        with self._connections.borrow() as connection:
            connection.execute("SELECT 1 FROM spaces LIMIT 1").fetchall()

    # --- Searching ---

    def nearest(
        self,
        collection: Collection,
        namespace: str,
        queries: Sequence[Sequence[float]],
        *,
        top_k: int,
        where: Sequence[Condition] = (),
    ) -> list[list[Match]]:
        """Find what is nearest to each of `queries`, the nearest first."""
        from ketbase.adapters.vectors import scoring

        refuse_place(collection, namespace)
        refuse_queries(collection, queries, top_k)
        with self._connections.snapshot() as connection:
            space = _find(connection, collection, namespace)
            if space is None or not queries:
                return [[] for _ in queries]
            passing, arguments = passing_labels(space.number, where)
            left = space.size
            if where:
                counted = connection.execute(f"SELECT count(*) FROM vectors WHERE {passing}", arguments)  # noqa: S608
                left = int(counted.fetchone()[0])
            if left > max(MOST_EXACT, 2 * _OVERSAMPLED * top_k) and left * SELECTIVE >= space.size:
                index = self._index(connection, collection, space, behind=2 * MOST_BEHIND)
                filtering = passing_labels(space.number, where, of_few=True)
                keys = _proposed(connection, index, queries, *filtering, top_k, left / space.size)
                if keys is not None:
                    passing, arguments = "key IN (SELECT value FROM json_each(?))", [json.dumps(keys)]
            rows = _rows(connection, passing, arguments)
            found = scoring.best(rows, queries, collection.metric, top_k)
            names = _names(connection, {key for some in found for key, _ in some})
        return [[Match(names[key], score) for key, score in some] for some in found]

    def _index(self, connection: Connection, collection: Collection, space: _Space, *, behind: int) -> "SpaceIndex":
        """Open a namespace's index, and let it catch up if it is too far behind, or holds too much that is gone."""
        from ketbase.adapters.vectors.ann import Indexes

        if self._opened is None:
            self._opened = Indexes(self._folder)
        index = self._opened.of(space.number, collection.dimension, collection.metric)
        if len(index) > 2 * space.size:
            index.begin_again()
        if _count_behind(connection, space.number, index.upto) > behind:
            index.add(_rows(connection, "space = ? AND key > ? ORDER BY key", [space.number, index.upto]))
            with self._connections.borrow() as fresh:
                there = fresh.execute("SELECT 1 FROM spaces WHERE space = ?", (space.number,)).fetchone()
            if there is None:  # erased meanwhile: no file of it may stay
                self._sweep(space.number)
        return index

    def _sweep(self, space: int) -> None:
        if self._folder.is_dir():
            for path in self._folder.glob(f"{space}-*"):
                path.unlink(missing_ok=True)


def _agree(connection: Connection, collection: Collection) -> None:
    """Raise a `ValueError` where the collection was made with another dimension or metric."""
    made = connection.execute(
        "SELECT dimension, metric FROM collections WHERE name = ?", (collection.name,)
    ).fetchone()
    if made not in (None, (collection.dimension, collection.metric)):
        raise ValueError(
            f"{collection.name} has {made[0]} dimensions and the metric {made[1]}, "
            f"not {collection.dimension} and {collection.metric}"
        )


def _make(connection: Connection, collection: Collection, namespace: str) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO collections VALUES (?, ?, ?)",
        (collection.name, collection.dimension, collection.metric),
    )
    connection.execute(
        "INSERT OR IGNORE INTO spaces (collection, namespace) VALUES (?, ?)", (collection.name, namespace)
    )


def _find(connection: Connection, collection: Collection, namespace: str) -> _Space | None:
    """Find a namespace, if anything was ever kept in it since it was erased."""
    _agree(connection, collection)
    row = connection.execute(
        "SELECT space, size FROM spaces WHERE collection = ? AND namespace = ?", (collection.name, namespace)
    ).fetchone()
    return None if row is None else _Space(*row)


# --- Vectors ---


def _insert(connection: Connection, space: int, vector: Vector) -> None:
    metadata = json.dumps(dict(vector.metadata), ensure_ascii=False)
    key = connection.execute(
        "INSERT INTO vectors (space, id, metadata, components) VALUES (?, ?, ?, ?)",
        (space, vector.id, metadata, array("f", vector.values).tobytes()),
    ).lastrowid
    connection.executemany(
        "INSERT INTO labels VALUES (?, ?, ?, ?)",
        {(space, name, value, key) for name, label in vector.metadata.items() for value in values_of(label)},
    )


def _remove(connection: Connection, space: int, ids: Sequence[str]) -> int:
    """Take vectors away, and say how many there were."""
    named = "SELECT key FROM vectors WHERE space = ? AND id IN (SELECT value FROM json_each(?))"
    arguments = (space, json.dumps(list(ids)))
    connection.execute(f"DELETE FROM labels WHERE key IN ({named})", arguments)  # noqa: S608 (ours)
    return connection.execute(f"DELETE FROM vectors WHERE key IN ({named})", arguments).rowcount  # noqa: S608


def _vector(name: str, components: bytes, metadata: str) -> Vector:
    values = array("f")
    values.frombytes(components)
    labels = {
        name: tuple(label) if isinstance(label, list) else label for name, label in json.loads(metadata).items()
    }
    return Vector(name, values.tolist(), labels)


def _rows(connection: Connection, passing: str, arguments: Sequence[Any]) -> "Iterator[list[Row]]":
    """Read keys and components, some at a time."""
    rows = connection.execute(f"SELECT key, components FROM vectors WHERE {passing}", arguments)  # noqa: S608
    while some := rows.fetchmany(_AT_ONCE):
        yield some


def _names(connection: Connection, keys: set[int]) -> dict[int, str]:
    rows = connection.execute(
        "SELECT key, id FROM vectors WHERE key IN (SELECT value FROM json_each(?))", (json.dumps(list(keys)),)
    )
    return dict(rows.fetchall())


# --- Proposals ---


def _count_behind(connection: Connection, space: int, upto: int) -> int:
    counted = connection.execute("SELECT count(*) FROM vectors WHERE space = ? AND key > ?", (space, upto))
    return int(counted.fetchone()[0])


def _proposed(
    connection: Connection,
    index: "SpaceIndex",
    queries: Sequence[Sequence[float]],
    passing: str,
    arguments: list[Any],
    top_k: int,
    share: float,
) -> list[int] | None:
    """Give the keys worth a closer look, among them all that the index lacks; `None` where it knows too few."""
    keys: set[int] = set()
    known = None
    for query in queries:
        count = math.ceil(_OVERSAMPLED * top_k / share)
        while True:
            proposals, upto = index.propose(query, count)
            known = upto if known is None else min(known, upto)
            passed = _those(connection, proposals, passing, arguments)
            if len(passed) >= top_k:
                break
            if len(proposals) < count:
                return None
            count *= _MORE
        keys |= passed
    tail = connection.execute(f"SELECT key FROM vectors WHERE {passing} AND key > ?", [*arguments, known])  # noqa: S608
    return [*keys, *(row[0] for row in tail)]


def _those(connection: Connection, keys: list[int], passing: str, arguments: list[Any]) -> set[int]:
    rows = connection.execute(
        f"SELECT key FROM vectors WHERE key IN (SELECT value FROM json_each(?)) AND {passing}",  # noqa: S608
        [json.dumps(keys), *arguments],
    )
    return {row[0] for row in rows}
