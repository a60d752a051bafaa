"""Finds running jobs whose run died, and repairs them."""

import logging
from datetime import timedelta

from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobError, JobStatus, Remote
from ketbase.ports.clock import Clock
from ketbase.ports.doorbell import Doorbell
from ketbase.ports.workflows import ExecutionStatus, Workflows
from ketbase.types import Model

_LOG = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
"""A job whose run died this often fails instead of being started again."""


class Patience(Model):
    """How long a job may take, from its start, or since it was last heard of.

    Attributes:
        grace: jobs started less than this ago are left alone; their start may still be under way.
        deadline: a step that computes in a function is stopped after this, and fails its job.
        waiting: so long a job may wait here for its next step: for its provider to answer, or for a container. That
            ends by itself when its time is up, and may have to be waited for again where it died before.
        training: a training, which goes on from its checkpoints, is stopped this long after it began.
        remote: a job at a provider is stopped there after this; queues of hardware are long.
        silence: a job whose provider says nothing about it is stopped there after this, as soon as it answers.
    """

    grace: timedelta
    deadline: timedelta
    waiting: timedelta = timedelta(days=7)
    training: timedelta = timedelta(days=2)
    remote: timedelta = timedelta(days=14)
    silence: timedelta = timedelta(days=1)


class Sweep(Model):
    """What a sweep did, by job id.

    Attributes:
        withdrawn: jobs whose providers are to stop them.
    """

    resumed: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
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
        patience: Patience,
    ):
        """Wire a sweeper.

        Args:
            store: the jobs.
            workflows: what runs them.
            doorbell: rung after each sweep, in case a ring was lost.
            clock: the time.
            patience: how long jobs may take.
        """
        self._store = store
        self._workflows = workflows
        self._doorbell = doorbell
        self._clock = clock
        self._patience = patience

    def sweep(self) -> Sweep:
        """Look at every running job once."""
        done: dict[str, list[str]] = {"resumed": [], "withdrawn": [], "requeued": [], "failed": []}
        now = self._clock.now()
        for job in self._store.running():
            age = now - (job.started_at or job.updated_at)
            if age < self._patience.grace:
                # The longest running come first.
                break
            try:
                repair = self._repair(job, age)
            except Exception:  # noqa: BLE001 (whatever holds up this job must not hold up those behind it)
                _LOG.exception("job %s could not be repaired; the next sweep tries again", job.id)
                continue
            if repair is not None:
                done[repair].append(job.id)
        self._doorbell.ring("sweep")
        return Sweep(**{name: tuple(ids) for name, ids in done.items()})

    def _repair(self, job: Job, age: timedelta) -> str | None:
        if job.remote is not None and (repair := self._repair_remote(job, job.remote, age)):
            return repair
        if job.remote is None and (reason := self._overdue(job)):
            self._workflows.stop(job.kind, job.execution, "deadline")
            return "failed" if self._store.fail(job, JobError(code="JOB_TIMED_OUT", message=reason)) else None
        status = self._workflows.status(job.kind, job.execution)
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

    def _overdue(self, job: Job) -> str | None:
        """Say for how long a job was given to compute, or to wait for its next step, where it took longer."""
        since, given, did = job.updated_at, self._patience.waiting, "waited"
        if job.kind == "training":
            since, given, did = job.started_at or job.created_at, self._patience.training, "ran"
        elif job.hold is not None and not job.hold.stoppable:
            since, given, did = job.hold.since, self._patience.deadline, "ran"
        if self._clock.now() - since <= given:
            return None
        return f"The job {did} longer than {given.total_seconds() / 60:.0f} minutes."

    def _repair_remote(self, job: Job, remote: Remote, age: timedelta) -> str | None:
        """Let a provider stop a job that takes too long there, and give it up where that does not help either."""
        silent = job.status is JobStatus.UNKNOWN and self._clock.now() - job.updated_at > self._patience.silence
        if not silent and age <= self._patience.remote:
            return None
        if job.cancel_requested_at is None:
            reason = f"{remote.engine} will be asked to stop it: it has taken {age.days} days"
            return "withdrawn" if self._store.request_cancel(job, reason) else None
        if self._clock.now() - job.cancel_requested_at <= self._patience.silence:
            return None
        self._workflows.stop(job.kind, job.execution, "its provider does not answer")
        error = JobError(
            code="PROVIDER_SILENT",
            message=f"{remote.engine} did not say what became of the job, nor whether it stopped. Its price is "
            "charged, for it may have run.",
            details={"remote_id": remote.id, "raw_status": remote.raw_status},
        )
        given_up = self._store.observe(job, remote.model_copy(update={"began": True}))
        return "failed" if given_up is not None and self._store.fail(given_up, error) else None
