"""Takes in jobs that work on a circuit: once for each idempotency key, with their ceiling reserved."""

import hashlib
import json
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import BaseModel

from ketbase.accounts.types import Caller
from ketbase.audit.lines import line
from ketbase.backends.service import Backends
from ketbase.circuits.types import Circuit
from ketbase.costs.quotes import Quote
from ketbase.ids import new_id
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobKind, JobStatus, Priority, Submission
from ketbase.ledger.layout import month_of
from ketbase.ports.clock import Clock
from ketbase.ports.doorbell import Doorbell
from ketbase.steps.files import JobFiles
from ketbase.steps.types import JobCircuit

_LOG = logging.getLogger(__name__)


class Intake:
    """Makes jobs and queues them."""

    def __init__(self, jobs: JobStore, files: JobFiles, backends: Backends, doorbell: Doorbell, clock: Clock):
        self._jobs = jobs
        self._files = files
        self._backends = backends
        self._doorbell = doorbell
        self._clock = clock

    def earlier(self, caller: Caller, idempotency_key: str | None, fingerprint: str) -> Job | None:
        """Find the job that was submitted under a key before: what was accepted stays accepted.

        Raises:
            ConflictError: `IDEMPOTENCY_KEY_REUSED`.
        """
        if idempotency_key is None:
            return None
        return self._jobs.submitted(caller.organization_id, caller.user_id, idempotency_key, fingerprint)

    def take(
        self,
        caller: Caller,
        kind: JobKind,
        circuit: Circuit | None,
        backend_id: str,
        config: BaseModel,
        quote: Quote,
        *,
        priority: Priority,
        idempotency_key: str | None,
        fingerprint: str,
        beside: Mapping[str, BaseModel] | None = None,
    ) -> Job:
        """Reserve a job's ceiling and queue it, with its own copy of the circuit.

        Args:
            caller: whose job it is.
            kind: of job.
            circuit: that it works on; `None` for one that is made of a template.
            backend_id: where it is to run.
            config: how, as the job's record keeps it.
            quote: what it costs.
            priority: before which others it starts.
            idempotency_key: under which it is found again.
            fingerprint: of the request.
            beside: files that the job needs beside its record, by name.

        Raises:
            BudgetError: `BUDGET_EXCEEDED`, `JOBS_PAUSED`.
            ConflictError: `IDEMPOTENCY_KEY_REUSED`.
        """
        now = self._clock.now()
        job = Job(
            id=new_id("job"),
            organization_id=caller.organization_id,
            user_id=caller.user_id,
            kind=kind,
            status=JobStatus.QUEUED,
            priority=priority,
            circuit_id=None if circuit is None else circuit.id,
            backend=backend_id,
            config=config.model_dump(mode="json"),
            key_id=caller.key_id,
            month=month_of(now),
            estimated_cost=quote.estimated,
            reserved_cost=quote.reserved,
            created_at=now,
            updated_at=now,
        )
        if circuit is not None:
            self._files.keep(job.reference, "circuit.json", _copy(circuit))
        for name, what in (beside or {}).items():
            self._files.keep(job.reference, name, what)
        submitted = line(
            self._clock, caller, "job.submitted", job.id, backend=backend_id, reserved_cost=str(job.reserved_cost)
        )
        return self._jobs.submit(job, idempotency_key, fingerprint, submitted)

    def answer(self, job: Job) -> Submission:
        """Ring for a job that waits, and say where it stands."""
        if job.status is JobStatus.QUEUED:
            self._ring(job)
        position = self._jobs.position(job)
        return Submission(
            job_id=job.id,
            status=job.status,
            queue_position=position,
            estimated_start=self._estimate_start(job, position),
            estimated_cost=job.estimated_cost,
            reserved_cost=job.reserved_cost,
        )

    def _ring(self, job: Job) -> None:
        """Ring for a job. It is accepted by now, so a bell that fails must not look like a refusal: the schedule
        that calls the dispatcher every minute finds the job as well.
        """
        try:
            self._doorbell.ring(f"{job.id} waits")
        except Exception:  # noqa: BLE001 (whatever is wrong with the bell)
            _LOG.exception("the doorbell did not ring for %s", job.id)

    def _estimate_start(self, job: Job, position: int) -> datetime | None:
        if job.started_at is not None or position <= 1:
            return job.started_at or self._clock.now()
        seconds = self._backends.recent_seconds(job.backend)
        return None if seconds is None else self._clock.now() + timedelta(seconds=seconds * (position - 1))


def _copy(circuit: Circuit) -> JobCircuit:
    return JobCircuit(
        circuit_id=circuit.id,
        definition=circuit.circuit_definition,
        placement=circuit.placement,
        source_qasm=circuit.source_qasm,
    )


def fingerprint_of(circuit_id: str | None, body: BaseModel) -> str:
    """Tell requests apart by what they ask, whatever the order in which they name it."""
    asked = json.dumps([circuit_id, body.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()
