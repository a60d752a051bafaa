"""Finds running jobs whose run died, and repairs them."""

import logging
from datetime import timedelta

from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobError
from ketbase.ports.clock import Clock
from ketbase.ports.doorbell import Doorbell
from ketbase.ports.workflows import ExecutionStatus, Workflows
from ketbase.types import Model

_LOG = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
"""A job whose run died this often fails instead of being started again."""


class Sweep(Model):
    """What a sweep did, by job id."""

    resumed: tuple[str, ...] = ()
    requeued: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class Sweeper:
    """Compares what the records say of a job with what its workflow says."""

    def __init__(
        self,
        store: JobStore,
        workflows: Workflows,
        doorbell: Doorbell,
        clock: Clock,
        *,
        grace: timedelta,
        deadline: timedelta,
    ):
        """Wire a sweeper.

        Args:
            store: the jobs.
            workflows: what runs them.
            doorbell: rung after each sweep, in case a ring was lost.
            clock: the time.
            grace: jobs started less than this ago are left alone; their start may still be under way.
            deadline: jobs started longer ago than this are stopped.
        """
        self._store = store
        self._workflows = workflows
        self._doorbell = doorbell
        self._clock = clock
        self._grace = grace
        self._deadline = deadline

    def sweep(self) -> Sweep:
        """Look at every running job once."""
        done: dict[str, list[str]] = {"resumed": [], "requeued": [], "failed": []}
        now = self._clock.now()
        for job in self._store.running():
            age = now - (job.started_at or job.updated_at)
            if age < self._grace:
                # The longest running come first.
                break
            try:
                repair = self._repair(job, late=age > self._deadline)
            except Exception:  # noqa: BLE001 (whatever holds up this job must not hold up those behind it)
                _LOG.exception("job %s could not be repaired; the next sweep tries again", job.id)
                continue
            if repair is not None:
                done[repair].append(job.id)
        self._doorbell.ring("sweep")
        return Sweep(**{name: tuple(ids) for name, ids in done.items()})

    def _repair(self, job: Job, *, late: bool) -> str | None:
        status = self._workflows.status(job.kind, job.execution)
        if late:
            self._workflows.stop(job.kind, job.execution, "deadline")
            minutes = self._deadline.total_seconds() / 60
            error = JobError(code="JOB_TIMED_OUT", message=f"The job ran longer than {minutes:.0f} minutes.")
            return "failed" if self._store.fail(job, error) else None
        if status is ExecutionStatus.RUNNING:
            return None
        if status is None:
            # The dispatcher died between marking the job and starting its workflow.
            self._workflows.start(job.kind, job.execution, job.reference.model_dump())
            return "resumed"
        if job.attempt < MAX_ATTEMPTS:
            return "requeued" if self._store.requeue(job, f"its run ended as {status}") else None
        error = JobError(code="JOB_DIED", message=f"The job's run died {job.attempt} times; the last one {status}.")
        return "failed" if self._store.fail(job, error) else None
