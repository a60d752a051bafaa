"""Workflows on one machine: a journal of executions and of what each of their tasks answered, in SQLite."""

import json
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ketbase.ports.clock import Clock
from ketbase.ports.workflows import ExecutionStatus
from ketbase.types import iso

_SCHEMA = """
CREATE TABLE IF NOT EXISTS executions (
    execution TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    payload TEXT NOT NULL,
    status TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    started_at TEXT NOT NULL,
    ended_at TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS executions_by_status ON executions (status, started_at);
CREATE TABLE IF NOT EXISTS answers (
    execution TEXT NOT NULL,
    call TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (execution, call)
) WITHOUT ROWID;
"""
_BUSY_S = 30.0


@dataclass(frozen=True, slots=True)
class Execution:
    """A begun execution that has not ended."""

    workflow: str
    name: str
    payload: str


class LocalWorkflows:
    """Keeps executions; `ketbase.local.runner` in the process of `ketbase up` runs them.

    An execution that is in the journal survives any crash: the runner begins it again, and each task that
    answered before gives the answer in the journal instead of running twice.
    """

    stops_steps = True

    def __init__(self, path: Path, clock: Clock):
        """Open the journal, making it where it is missing.

        Args:
            path: of the SQLite file.
            clock: the time.
        """
        self._path = path
        self._clock = clock
        self._threads = threading.local()
        self._changed = threading.Condition()
        self._changes = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection().executescript(_SCHEMA)

    # --- The port ---

    def start(self, workflow: str, execution: str, payload: Mapping[str, Any]) -> None:
        """Write an execution to the journal, unless one of this name was ever begun."""
        self._connection().execute(
            "INSERT OR IGNORE INTO executions (execution, workflow, payload, status, started_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (execution, workflow, json.dumps(payload), ExecutionStatus.RUNNING, iso(self._clock.now())),
        )
        self._notify()

    def status(self, workflow: str, execution: str) -> ExecutionStatus | None:
        """Read where an execution stands."""
        row = (
            self._connection()
            .execute("SELECT status FROM executions WHERE execution = ? AND workflow = ?", (execution, workflow))
            .fetchone()
        )
        return None if row is None else ExecutionStatus(row[0])

    def stop(self, workflow: str, execution: str, reason: str) -> None:
        """End an execution; the runner stops its task when it sees this."""
        self.finish(workflow, execution, ExecutionStatus.STOPPED, reason)

    def check(self) -> None:
        """Read from the journal."""
        self._connection().execute("SELECT 1 FROM executions LIMIT 1").fetchone()

    # --- For the runner ---

    def running(self) -> list[Execution]:
        """Read the executions that have begun and not ended, the oldest first."""
        rows = self._connection().execute(
            "SELECT workflow, execution, payload FROM executions WHERE status = ? ORDER BY started_at",
            (ExecutionStatus.RUNNING,),
        )
        return [Execution(*row) for row in rows]

    def finish(self, workflow: str, execution: str, status: ExecutionStatus, detail: str) -> None:
        """Write how an execution ended, once; its task answers are not needed any more."""
        connection = self._connection()
        ended = connection.execute(
            "UPDATE executions SET status = ?, detail = ?, ended_at = ?"
            " WHERE execution = ? AND workflow = ? AND status = ?",
            (status, detail, iso(self._clock.now()), execution, workflow, ExecutionStatus.RUNNING),
        )
        if ended.rowcount:
            connection.execute("DELETE FROM answers WHERE execution = ?", (execution,))
            self._notify()

    def forget_ended(self, before: datetime) -> None:
        """Drop the executions that ended before a moment; Step Functions keeps them for 90 days."""
        self._connection().execute("DELETE FROM executions WHERE ended_at < ?", (iso(before),))

    def answer(self, execution: str, call: str) -> str | None:
        """Read what a task call answered before, if it did."""
        row = (
            self._connection()
            .execute("SELECT answer FROM answers WHERE execution = ? AND call = ?", (execution, call))
            .fetchone()
        )
        return None if row is None else str(row[0])

    def keep_answer(self, execution: str, call: str, answer: str) -> None:
        """Write what a task call answered."""
        self._connection().execute(
            "INSERT OR REPLACE INTO answers (execution, call, answer) VALUES (?, ?, ?)",
            (execution, call, answer),
        )

    def wait_for_change(self, seen: int, seconds: float) -> int:
        """Wait until this process began or ended an execution since `seen` changes; returns the count now."""
        with self._changed:
            self._changed.wait_for(lambda: self._changes != seen, timeout=seconds)
            return self._changes

    def _notify(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._threads.connection = connection
        return connection
