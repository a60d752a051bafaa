"""Workflows on one machine: a journal of executions and of how each of their calls ended, in SQLite."""

import hmac
import json
import sqlite3
import threading
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
CREATE TABLE IF NOT EXISTS calls (
    execution TEXT NOT NULL,
    place TEXT NOT NULL,
    token TEXT UNIQUE,
    until TEXT,
    outcome TEXT,
    PRIMARY KEY (execution, place)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS calls_answered ON calls (token) WHERE token IS NOT NULL AND outcome IS NOT NULL;
CREATE TRIGGER IF NOT EXISTS executions_end AFTER UPDATE OF status ON executions BEGIN
    DELETE FROM calls WHERE execution = NEW.execution;
END;
CREATE TABLE IF NOT EXISTS secret (id INTEGER PRIMARY KEY CHECK (id = 1), value BLOB NOT NULL);
INSERT OR IGNORE INTO secret VALUES (1, randomblob(32));
"""
_BUSY_S = 30.0


@dataclass(frozen=True, slots=True)
class Execution:
    """A begun execution that has not ended."""

    workflow: str
    name: str
    payload: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: with an output, or with an error.

    Attributes:
        output: JSON text.
        error: the name that Retry and Catch match.
        cause: of the error, for people.
    """

    output: str | None = None
    error: str | None = None
    cause: str = ""


class LocalWorkflows:
    """Keeps executions; `ketbase.local.runner` in the process of `ketbase up` runs them.

    An execution that is in the journal survives any crash: the runner begins it again, and each call that
    ended before ends as the journal says instead of being done twice. Any process that has the file may begin
    and stop executions and answer task tokens.
    """

    stops_steps = True

    def __init__(self, path: Path, clock: Clock):
        """Open the journal, making it where it is missing.

        Args:
            path: of the SQLite file.
            clock: the time.
        """
        self._clock = clock
        self._changed = threading.Condition()
        self._changes = 0
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        # One connection for all threads: hundreds of executions may wait, and each connection holds files open.
        self._connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        self._secret: bytes = self._read("SELECT value FROM secret")[0][0]

    # --- The port ---

    def start(self, workflow: str, execution: str, payload: Mapping[str, Any]) -> None:
        """Write an execution to the journal, unless one of this name was ever begun."""
        self._write(
            "INSERT OR IGNORE INTO executions (execution, workflow, payload, status, started_at)"
            " VALUES (?, ?, ?, ?, ?)",
            execution,
            workflow,
            json.dumps(payload),
            ExecutionStatus.RUNNING,
            iso(self._clock.now()),
        )
        self._notify()

    def status(self, workflow: str, execution: str) -> ExecutionStatus | None:
        """Read where an execution stands."""
        rows = self._read("SELECT status FROM executions WHERE execution = ? AND workflow = ?", execution, workflow)
        return ExecutionStatus(rows[0][0]) if rows else None

    def stop(self, workflow: str, execution: str, reason: str) -> None:
        """End an execution; the runner stops its task when it sees this."""
        self.finish(workflow, execution, ExecutionStatus.STOPPED, reason)

    def succeed(self, token: str, output: Mapping[str, Any]) -> bool:
        """Answer a task token with its task's output, and say whether the answer was taken."""
        return self._answer(token, Outcome(output=json.dumps(output)))

    def fail(self, token: str, error: str, cause: str) -> bool:
        """Answer a task token with an error, and say whether the answer was taken."""
        return self._answer(token, Outcome(error=error, cause=cause))

    def check(self) -> None:
        """Read from the journal."""
        self._read("SELECT 1 FROM executions LIMIT 1")

    # --- For the runner ---

    def running(self) -> list[Execution]:
        """Read the executions that have begun and not ended, the oldest first."""
        rows = self._read(
            "SELECT workflow, execution, payload FROM executions WHERE status = ? ORDER BY started_at",
            ExecutionStatus.RUNNING,
        )
        return [Execution(*row) for row in rows]

    def answered(self) -> set[str]:
        """Read the task tokens of running executions that have an answer."""
        return {
            token
            for (token,) in self._read("SELECT token FROM calls WHERE token IS NOT NULL AND outcome IS NOT NULL")
        }

    def finish(self, workflow: str, execution: str, status: ExecutionStatus, detail: str) -> None:
        """Write how an execution ended, once; how its calls ended is not needed any more."""
        ended = self._write(
            "UPDATE executions SET status = ?, detail = ?, ended_at = ?"
            " WHERE execution = ? AND workflow = ? AND status = ?",
            status,
            detail,
            iso(self._clock.now()),
            execution,
            workflow,
            ExecutionStatus.RUNNING,
        )
        if ended:
            self._notify()

    def forget_ended(self, before: datetime) -> None:
        """Drop the executions that ended before a moment; Step Functions keeps them for 90 days."""
        self._write("DELETE FROM executions WHERE ended_at < ?", iso(before))

    def of(self, execution: str) -> "ExecutionJournal":
        """What the journal knows of the calls of one execution."""
        return ExecutionJournal(self, execution)

    def wait_for_change(self, seen: int, seconds: float) -> int:
        """Wait until this process changed something since `seen` changes; returns the count now."""
        with self._changed:
            self._changed.wait_for(lambda: self._changes != seen, timeout=seconds)
            return self._changes

    def _answer(self, token: str, outcome: Outcome) -> bool:
        taken = self._write(
            "UPDATE calls SET outcome = ? WHERE token = ? AND outcome IS NULL", json.dumps(asdict(outcome)), token
        )
        if taken:
            self._notify()
        return taken

    def _notify(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def _read(self, statement: str, *values: str) -> list[Any]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def _write(self, statement: str, *values: str | None) -> bool:
        with self._lock:
            return self._connection.execute(statement, values).rowcount > 0


class ExecutionJournal:
    """How the calls of one execution ended, each under its place: a name that every replay finds again.

    The first word on a call stands, whoever says it. Of an execution that is over nothing is written.
    """

    def __init__(self, journal: LocalWorkflows, execution: str):
        """Read and write in `journal`."""
        self._journal = journal
        self._execution = execution

    def token(self, place: str) -> str:
        """Make the task token of a call: always the same, and nobody who has not the journal can guess it."""
        named = hmac.digest(self._journal._secret, f"{self._execution}\n{place}".encode(), "sha256")
        return urlsafe_b64encode(named).decode().rstrip("=")

    def begin(self, place: str, until: datetime, token: str | None = None) -> datetime:
        """Write that a wait has begun, unless it was begun before, and read until when it lasts.

        Args:
            place: of the wait.
            until: when it ends by itself, if it begins now.
            token: of the answer that ends it earlier.
        """
        self._journal._write(
            "INSERT INTO calls (execution, place, token, until)"
            " SELECT execution, ?, ?, ? FROM executions WHERE execution = ? AND status = ?"
            " ON CONFLICT (execution, place) DO NOTHING",
            place,
            token,
            iso(until),
            self._execution,
            ExecutionStatus.RUNNING,
        )
        kept = self._get("until", place)
        return until if kept is None else datetime.fromisoformat(kept)

    def outcome(self, place: str) -> Outcome | None:
        """Read how a call ended, if it did."""
        kept = self._get("outcome", place)
        return None if kept is None else Outcome(**json.loads(kept))

    def settle(self, place: str, outcome: Outcome) -> Outcome:
        """Write how a call ended, and read what stands."""
        self._journal._write(
            "INSERT INTO calls (execution, place, outcome)"
            " SELECT execution, ?, ? FROM executions WHERE execution = ? AND status = ?"
            " ON CONFLICT (execution, place) DO UPDATE SET outcome = excluded.outcome WHERE outcome IS NULL",
            place,
            json.dumps(asdict(outcome)),
            self._execution,
            ExecutionStatus.RUNNING,
        )
        return self.outcome(place) or outcome

    def _get(self, column: str, place: str) -> str | None:
        rows = self._journal._read(
            f"SELECT {column} FROM calls WHERE execution = ? AND place = ?",  # noqa: S608 (one of two names)
            self._execution,
            place,
        )
        return str(rows[0][0]) if rows and rows[0][0] is not None else None
