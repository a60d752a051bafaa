"""Shows an organisation its jobs, and cancels them."""

import itertools
from collections.abc import Iterable, Iterator
from datetime import timedelta

from pydantic_core import from_json

from ketbase.accounts.types import Caller
from ketbase.audit.lines import line
from ketbase.errors import ConflictError, NotFoundError
from ketbase.jobs.layout import blob_key
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Abandoned, Cancellation, Events, Job, JobStatus, LogLine, Logs, ResultLink
from ketbase.money import Money
from ketbase.paging import PageRequest, Slice, take
from ketbase.ports.blobs import BlobNotFoundError, Blobs
from ketbase.ports.clock import Clock
from ketbase.ports.doorbell import Doorbell
from ketbase.ports.workflows import Workflows

MAX_ANSWER_BYTES = 5_000_000
"""A Lambda function answers with 6 MB at most; a larger result is given as a link where the store makes links."""

_LINK_S = 900
_FIRST_LOOK_S, _LONGEST_PAUSE_S = 0.02, 0.5


class Jobs:
    """What can be done with any job, whatever its kind."""

    def __init__(self, store: JobStore, blobs: Blobs, workflows: Workflows, doorbell: Doorbell, clock: Clock):
        self._store = store
        self._blobs = blobs
        self._workflows = workflows
        self._doorbell = doorbell
        self._clock = clock

    def get(self, caller: Caller, job_id: str) -> Job:
        """Read a job.

        Raises:
            NotFoundError: `JOB_NOT_FOUND`.
        """
        job = self._store.get(caller.organization_id, job_id)
        if job is None:
            raise NotFoundError("JOB_NOT_FOUND", f"There is no job {job_id!r}.", job_id=job_id)
        return job

    def list(self, caller: Caller, statuses: Iterable[JobStatus], request: PageRequest) -> Slice[Job]:
        """List the jobs in any of `statuses`, or all, in order of submission."""
        chosen = tuple(dict.fromkeys(statuses))
        walk = self._store.walk(caller.organization_id, chosen, after=request.cursor, descending=request.descending)
        return take(walk, request, self._store.count(caller.organization_id, chosen))

    def cancel(self, caller: Caller, job_id: str) -> Cancellation:
        """Cancel a waiting or running job; one that is cancelled already stays so.

        A job that is at a provider goes on until the provider says that it stopped, so that nothing is forgotten
        that is still billed there.

        Raises:
            NotFoundError: `JOB_NOT_FOUND`.
            ConflictError: `JOB_FINISHED`, it completed or failed before.
        """
        job = self.get(caller, job_id)
        while not job.status.final:
            cancelled = line(self._clock, caller, "job.cancelled", job_id)
            if job.remote is not None:
                if job.cancel_requested_at is not None or self._store.request_cancel(
                    job, f"{job.remote.engine} will be asked to stop it", cancelled
                ):
                    return Cancellation(job_id=job.id, status=job.status, cost_incurred=job.cost_so_far)
                job = self.get(caller, job_id)
                continue
            stops = self._workflows.stops_steps or (job.hold is not None and job.hold.stoppable)
            abandons = Abandoned.STOPPED if stops else Abandoned.WHOLE
            job = self._store.cancel(job, cancelled, abandons=abandons) or self.get(caller, job_id)
        if job.status is not JobStatus.CANCELLED:
            raise ConflictError(
                "JOB_FINISHED", f"The job is {job.status} already.", job_id=job_id, status=job.status
            )
        if job.attempt:
            # Also where it was cancelled before: whoever did so may have died before this.
            self._workflows.stop(job.kind, job.execution, "cancelled by the user")
            self._doorbell.ring(f"{job.id} was cancelled")
        return Cancellation(
            job_id=job.id,
            status=job.status,
            cost_incurred=job.actual_cost or Money(),
            epochs_completed=job.epochs_completed,
        )

    def events(self, caller: Caller, job_id: str, after: int, limit: int) -> Events:
        """Read a job's events behind a cursor, in order.

        Raises:
            NotFoundError: `JOB_NOT_FOUND`.
        """
        job = self.get(caller, job_id)
        events = self._store.events(job_id, after=after, limit=limit)
        return Events(events=tuple(events), cursor=events[-1].cursor if events else after, status=job.status)

    def logs(self, caller: Caller, job_id: str, lines: int, after: int, wait_s: float) -> Logs:
        """Read the last `lines` of a job's log behind a cursor.

        Args:
            caller: whose job it is.
            job_id: which one.
            lines: the most lines, counted from the end.
            after: a cursor; only lines behind it.
            wait_s: how long to wait for a line where there is none yet and the job is not over, in seconds.

        Raises:
            NotFoundError: `JOB_NOT_FOUND`.
        """
        for _ in itertools.chain([None], self._looks(wait_s)):
            job = self.get(caller, job_id)
            first = max(after, job.events - lines)
            events = self._store.events(job_id, after=first, limit=lines)
            if events or job.status.final:
                break
        return Logs(
            logs=tuple(LogLine(timestamp=e.timestamp, level=e.level, message=e.message) for e in events),
            cursor=events[-1].cursor if events else after,
            streaming=not job.status.final,
        )

    def result(self, caller: Caller, job_id: str, wait_s: float = 0.0) -> object:
        """Read a completed job's result, or get a link to it where it is too large for an answer.

        Args:
            caller: whose job it is.
            job_id: which one.
            wait_s: how long to wait for a job that is not over, in seconds.

        Raises:
            NotFoundError: `JOB_NOT_FOUND`, or `RESULT_EXPIRED`.
            ConflictError: `JOB_NOT_COMPLETED`; where the job failed, with its error.
        """
        job = self.get(caller, job_id)
        for _ in self._looks(wait_s):
            if job.status.final:
                break
            job = self.get(caller, job_id)
        if job.status is not JobStatus.COMPLETED:
            raise ConflictError(
                "JOB_NOT_COMPLETED",
                f"The job is {job.status}; only a completed job has a result.",
                status=job.status,
                error=None if job.error is None else job.error.model_dump(mode="json"),
            )
        key = blob_key(job.reference, "result.json")
        info = self._blobs.info(key)
        if info is not None and info.size > MAX_ANSWER_BYTES:
            link = self._blobs.link(key, _LINK_S)
            if link is not None:
                return ResultLink(job_id=job.id, download_url=link, size_bytes=info.size, expires_in_s=_LINK_S)
        try:
            return from_json(self._blobs.get(key))
        except BlobNotFoundError as problem:
            raise NotFoundError(
                "RESULT_EXPIRED", "The result was kept for a while after the job ended, and is gone.", job_id=job.id
            ) from problem

    def _looks(self, seconds: float) -> Iterator[None]:
        """Pause and yield, in ever longer pauses, until `seconds` are over."""
        until = self._clock.now() + timedelta(seconds=seconds)
        pause = _FIRST_LOOK_S
        while self._clock.now() < until:
            self._clock.sleep(pause)
            yield
            pause = min(pause * 1.5, _LONGEST_PAUSE_S)
