"""Connections to one SQLite file, for any number of threads and processes."""

import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ketbase.ports.records import BusyError

PATIENCE_S = 30.0
"""How long a writer waits for the others before it gives up."""


class Connections:
    """Connections for whoever needs one: each is used by one thread at a time, and only in its own process.

    SQLite's connections must not cross a fork, not even to be closed; a child leaves its parent's alone.
    """

    def __init__(self, path: Path, schema: Sequence[str], *, durable: bool = False):
        """Use the file at `path`, which is made, with its folder, at the first use.

        Args:
            path: of the file.
            schema: statements that make what is missing in it, and change nothing where all is there.
            durable: whether a transaction outlives a power cut too, at the price of a flush for each.
        """
        self._path = path
        self._schema = (f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}", *schema)
        self._abandoned: list[list[sqlite3.Connection]] = []
        self._begin_process()

    @contextmanager
    def borrow(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that nobody else uses at this moment; each of its statements commits by itself."""
        if self._process != os.getpid():
            self._abandoned.append(self._idle)
            self._begin_process()
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        finally:
            self._idle.append(connection)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection on which all that is done is written, or, if something is raised, nothing.

        Raises:
            BusyError: other writers left no room for `PATIENCE_S`.
        """
        with self.borrow() as connection, self._writing:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not _is_busy(error):
                    raise
                raise BusyError(f"other writers left no room for {PATIENCE_S:g} s") from error
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection whose reads all see the same moment."""
        with self.borrow() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connections that nobody uses at this moment."""
        while self._idle:
            self._idle.pop().close()

    def _begin_process(self) -> None:
        self._process = os.getpid()
        self._idle: list[sqlite3.Connection] = []
        # Threads of one process queue here, which is fairer and quicker than SQLite's waiting by sleeping.
        self._writing = threading.Lock()

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
        _use_wal(connection)
        for statement in self._schema:
            connection.execute(statement)
        return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, where SQLite does not wait for others who make the file at this moment."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0, 0.02))
        else:
            return


def _is_busy(error: sqlite3.OperationalError) -> bool:
    primary_code = error.sqlite_errorcode & 0xFF
    return primary_code == sqlite3.SQLITE_BUSY
