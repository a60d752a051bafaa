"""The jobs, in a SQLite file that a restart survives; where one stands follows from when it came, and from the clock."""

import json
import random
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.standins.ionq import gates
from tests.standins.ionq.wire import MAX_CONTROLS, NamedCircuit, Posted

PROJECT = "944904d6-2e30-4cfb-8bc4-04afaabcdd42"
QUBITS = {"simulator": 29, "qpu.forte-1": 36, "qpu.forte-enterprise-1": 36, "qpu.aria-1": 25}
RETIRED = frozenset({"qpu.aria-1"})
MAX_QPU_SHOTS = 10_000
PER_CIRCUIT, PER_SHOT = 0.25, 0.0001
"""US dollars that this cloud's machines ask; figures of its own."""

_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT UNIQUE NOT NULL,
    parent TEXT,
    place INTEGER NOT NULL,
    name TEXT,
    posted TEXT,
    came REAL NOT NULL,
    canceled REAL,
    result TEXT
);
CREATE INDEX IF NOT EXISTS of_parent ON jobs (parent);
"""
_READ = """
SELECT jobs.*, COALESCE(jobs.posted, parents.posted) AS body
FROM jobs LEFT JOIN jobs AS parents ON parents.id = jobs.parent
"""


@dataclass
class Course:
    """How jobs go from now on.

    Attributes:
        ready_s: after so long a job is ready; after `queue_s` it has started, after `run_s` more it is over.
        late_results_s: so long after its end there is no result yet.
        words: what is said in place of some status words.
        names_children: whether the jobs of single circuits have the circuits' names.
        charges_credits: whether costs are in credits.
        machines_err: whether machines have the noise of their models.
    """

    ready_s: float = 0.0
    queue_s: float = 0.0
    run_s: float = 0.0
    late_results_s: float = 0.0
    words: dict[str, str] = field(default_factory=dict)
    names_children: bool = True
    charges_credits: bool = False
    machines_err: bool = True


@dataclass
class Job:
    """A job, or a circuit of a multi-circuit job."""

    number: int
    id: str
    parent: str | None
    place: int
    name: str | None
    posted: Posted
    came: float
    canceled: float | None
    result: dict[str, float] | None

    @property
    def circuit(self) -> NamedCircuit:
        return self.posted.circuits[self.place]

    @property
    def circuits(self) -> Sequence[NamedCircuit]:
        return [self.circuit] if self.parent else self.posted.circuits

    @property
    def is_multi(self) -> bool:
        return self.parent is None and self.posted.type == "ionq.multi-circuit.v1"


class Store:
    """All jobs."""

    def __init__(self, path: Path):
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.executescript(_TABLES)
        self.course = Course()
        self._failures: dict[str, tuple[str, str] | None] = {}

    # --- Coming in ---

    def accept(self, posted: Posted) -> Job:
        """Keep a job, and one for each circuit of a multi-circuit job."""
        now, text, parent = time.time(), posted.model_dump_json(exclude_unset=True), str(uuid.uuid4())
        with self._transaction() as database:
            _insert(database, parent, None, 0, posted.name, text, now)
            if posted.type == "ionq.multi-circuit.v1":
                for place, circuit in enumerate(posted.circuits):
                    name = circuit.name if self.course.names_children else None
                    _insert(database, str(uuid.uuid4()), parent, place, name, None, now)
        return self.job(parent)

    def cancel(self, job: Job) -> None:
        """Cancel a job, whatever became of it: so does IonQ."""
        with self._transaction() as database:
            database.execute(
                "UPDATE jobs SET canceled = ? WHERE id = ? OR parent = ?", (time.time(), job.id, job.id)
            )

    # --- Reading ---

    def job(self, job_id: str) -> Job:
        """Raises KeyError."""
        found = self._read("WHERE jobs.id = ?", job_id)
        if not found:
            raise KeyError(job_id)
        return found[0]

    def children(self, job: Job) -> list[Job]:
        return self._read("WHERE jobs.parent = ? ORDER BY jobs.place", job.id)

    def newest(self) -> list[Job]:
        return self._read("ORDER BY jobs.number DESC")

    def accepted(self) -> dict[str, int]:
        """How many jobs came under each name."""
        with self._lock:
            rows = self._connection.execute("SELECT name, COUNT(*) FROM jobs WHERE parent IS NULL GROUP BY name")
            return {str(name): times for name, times in rows}

    # --- What becomes of a job ---

    def status(self, job: Job) -> str:
        word = self._status(job)
        return self.course.words.get(word, word)

    def shows_result(self, job: Job) -> bool:
        over = job.came + self.course.queue_s + self.course.run_s + self.course.late_results_s
        return self._status(job) == "completed" and time.time() >= over

    def result(self, job: Job) -> dict[str, float]:
        """The probabilities of one circuit, simulated when they are first asked for."""
        if job.result is None:
            result = self._simulate(job)
            with self._transaction() as database:
                database.execute("UPDATE jobs SET result = ? WHERE id = ?", (json.dumps(result), job.id))
            return result
        return job.result

    def described(self, job: Job, *, whole: bool = False) -> dict[str, Any]:
        """A job as the API describes it; `whole` with its children and results."""
        posted, failure, status = job.posted, self._failure(job), self._status(job)
        over = status in ("completed", "failed", "canceled")
        started = job.came + self.course.queue_s
        ended = started + self.course.run_s
        simulated = posted.backend == "simulator"
        return {
            "id": job.id,
            "status": self.status(job),
            "type": "ionq.circuit.v1" if job.parent else posted.type,
            "backend": posted.backend,
            "dry_run": posted.dry_run,
            "cost_model": "QCT",
            "submitter_id": "64b03577072d45001c85e9c4",
            "project_id": PROJECT,
            "parent_job_id": job.parent,
            "session_id": posted.session_id,
            "metadata": posted.metadata,
            "name": job.name,
            "submitted_at": _iso(job.came),
            "started_at": _iso(started) if status == "started" or over else None,
            "completed_at": _iso(ended) if over else None,
            "predicted_execution_duration_ms": None,
            "predicted_wait_time_ms": None if over else max(0, round(1_000 * (started - time.time()))),
            "execution_duration_ms": round(1_000 * self.course.run_s) if over else None,
            **({} if simulated and _model(posted) == "ideal" else {"shots": posted.shots}),
            **({"noise": posted.noise.model_dump(exclude_none=True)} if simulated and posted.noise else {}),
            "failure": None if failure is None else {"code": failure[0], "message": failure[1]},
            "settings": posted.settings.model_dump(exclude_unset=True) if posted.settings else {},
            "stats": {"qubits": max(map(posted.width, job.circuits)), "circuits": len(job.circuits)},
            "output": {},
            "results": self._results(job) if status == "completed" else None,
            **({"child_job_ids": [child.id for child in self.children(job)] or None} if whole else {}),
        }

    def cost(self, job: Job) -> dict[str, Any]:
        posted, unit = job.posted, "credit" if self.course.charges_credits else "usd"
        circuits = len(job.circuits)
        price = 0.0 if posted.backend == "simulator" else circuits * (PER_CIRCUIT + PER_SHOT * posted.shots)
        known = {"cost": {"value": round(price, 9), "unit": unit}} if self._status(job) == "completed" else {}
        return {"dry_run": False, "estimated_cost": {"value": round(price, 9), "unit": unit}, **known}

    def aggregate(self, job: Job) -> dict[str, dict[str, float]]:
        """The results of all circuits, in no order that means anything."""
        children = self.children(job)
        random.Random(job.id).shuffle(children)
        return {child.id: self.result(child) for child in children}

    def _results(self, job: Job) -> dict[str, Any]:
        """Descriptors of artifacts, and beside them the pointers that they took the place of."""
        kind, path = ("-aggregate", "/aggregated") if job.is_multi else ("", "")
        form = f"ionq.result.probabilities{kind}.json.v1"
        return {
            form: {"id": f"probabilities{kind}", "format": form, "media_type": "application/json"},
            "probabilities": {"url": f"/v0.4/jobs/{job.id}/results/probabilities{path}"},
        }

    def _status(self, job: Job) -> str:
        course, age = self.course, time.time() - job.came
        if job.canceled is not None:
            return "canceled"
        if age < course.ready_s:
            return "submitted"
        if self._failure(job) is not None:
            return "failed"
        if age < course.queue_s:
            return "ready"
        return "started" if age < course.queue_s + course.run_s else "completed"

    def _failure(self, job: Job) -> tuple[str, str] | None:
        """What IonQ finds out only after it took a job."""
        if job.id not in self._failures:
            self._failures[job.id] = self._check(job)
        return self._failures[job.id]

    def _check(self, job: Job) -> tuple[str, str] | None:
        posted, circuits = job.posted, job.circuits
        if max(map(posted.width, circuits)) > self._qubits(posted):
            return "NotEnoughQubits", f"{posted.backend} has {self._qubits(posted)} qubits"
        if posted.backend != "simulator" and posted.shots > MAX_QPU_SHOTS:
            return "TooManyShots", f"{posted.backend} runs at most {MAX_QPU_SHOTS} shots"
        for circuit in circuits:
            for gate in circuit.circuit:
                if len(gate.under) > MAX_CONTROLS:
                    return "TooManyControls", f"a gate has at most {MAX_CONTROLS} controls"
                try:
                    gate.step(posted.gateset(circuit))
                except (KeyError, IndexError):
                    return "UnsupportedGate", f"there is no gate {gate.gate} in {posted.gateset(circuit)}"
        return None

    def _qubits(self, posted: Posted) -> int:
        return 25 if posted.backend == "simulator" and _model(posted) == "aria-1" else QUBITS[posted.backend]

    def _simulate(self, job: Job) -> dict[str, float]:
        posted, circuit = job.posted, job.circuit
        steps = [gate.step(posted.gateset(circuit)) for gate in circuit.circuit]
        width = posted.width(circuit)
        if posted.backend == "simulator" and _model(posted) == "ideal":
            found = gates.probabilities(steps, width)
        else:
            model = _model(posted) if posted.backend == "simulator" else posted.backend.removeprefix("qpu.")
            errs = posted.backend == "simulator" or self.course.machines_err
            noise = gates.NOISE.get(model, gates.NOISE["forte-1"]) if errs else None
            seed = posted.noise.seed if posted.noise and posted.noise.seed is not None else job.number
            found = gates.sampled(steps, width, noise, posted.shots, seed + job.place)
        return {str(number): probability for number, probability in found.items()}

    def _read(self, query: str, *values: str) -> list[Job]:
        with self._lock:
            rows = self._connection.execute(_READ + query, values).fetchall()
        return [
            Job(
                number=row["number"],
                id=row["id"],
                parent=row["parent"],
                place=row["place"],
                name=row["name"],
                posted=_posted(row["body"]),
                came=row["came"],
                canceled=row["canceled"],
                result=None if row["result"] is None else json.loads(row["result"]),
            )
            for row in rows
        ]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _insert(
    database: sqlite3.Connection,
    job_id: str,
    parent: str | None,
    place: int,
    name: str | None,
    text: str | None,
    now: float,
) -> None:
    database.execute(
        "INSERT INTO jobs (id, parent, place, name, posted, came) VALUES (?, ?, ?, ?, ?, ?)",
        (job_id, parent, place, name, text, now),
    )


@lru_cache(maxsize=10_000)
def _posted(text: str) -> Posted:
    return Posted.model_validate_json(text)


def _model(posted: Posted) -> str:
    return posted.noise.model if posted.noise else "ideal"


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
