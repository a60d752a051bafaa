"""The few ways in which a job changes, each one transaction, so that none happens twice."""

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from ketbase.backends.remote import RemoteStatus
from ketbase.backends.types import Engine
from ketbase.errors import BudgetError, ConflictError
from ketbase.jobs import layout
from ketbase.jobs.types import Abandoned, Advance, Event, Hold, Job, JobError, JobStatus, Level, Progress, Remote
from ketbase.ledger import entries
from ketbase.ledger.service import Ledger
from ketbase.ledger.types import Charge, CostEvent
from ketbase.money import Money
from ketbase.ports.clock import Clock
from ketbase.ports.records import (
    Absent,
    AtMost,
    BusyError,
    ConditionFailedError,
    Equals,
    Index,
    Item,
    Put,
    Records,
    Update,
    Write,
    walk,
)

IDEMPOTENCY_WINDOW = timedelta(hours=24)
"""How long a repeated `Idempotency-Key` finds the job that it made."""

_BEFORE = {
    JobStatus.QUEUED: (JobStatus.RUNNING, JobStatus.UNKNOWN),
    JobStatus.RUNNING: (JobStatus.QUEUED, JobStatus.UNKNOWN),
    JobStatus.UNKNOWN: (JobStatus.RUNNING,),
    JobStatus.COMPLETED: (JobStatus.RUNNING, JobStatus.UNKNOWN),
    JobStatus.FAILED: (JobStatus.RUNNING, JobStatus.UNKNOWN),
    JobStatus.CANCELLED: (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.UNKNOWN),
}
"""The whole lifecycle: from which states each state is reached."""

TOKEN_LIFE = timedelta(days=30)
"""Longer than any workflow waits for its provider."""
_TRIES = 20


class Observer(Protocol):
    """Who wants to know that a job ended, or that there was no room for one."""

    def farewell(self, job: Job) -> list[Write]:
        """Give what is to be written together with a job's end, such as a notice to its user."""

    def ended(self, job: Job) -> None:
        """Take note that a job ended and its cost is settled; never raises."""

    def refused(self, job: Job) -> None:
        """Take note that the organisation's month had no room for a new job; never raises."""


class JobStore:
    """Jobs, their queue and their events; each has its ceiling reserved while it lives, and settled at its end."""

    def __init__(self, records: Records, clock: Clock, ledger: Ledger, observer: Observer | None = None):
        self._records = records
        self._clock = clock
        self._ledger = ledger
        self._observer = observer

    # --- Reading ---

    def get(self, organization_id: str, job_id: str) -> Job | None:
        """Read a job."""
        item = self._records.get(layout.place(organization_id, job_id))
        return None if item is None else Job.model_validate(item.values)

    def walk(
        self, organization_id: str, statuses: Iterable[JobStatus], *, after: str | None, descending: bool
    ) -> Iterator[Job]:
        """Walk the jobs in any of `statuses` (none given: in all), in order of their ids."""
        chosen = tuple(statuses)
        if not chosen:
            start = None if after is None else f"job#{after}"
            walks = [
                walk(self._records, f"org#{organization_id}", prefix="job#", after=start, descending=descending)
            ]
        else:
            walks = [
                walk(
                    self._records,
                    layout.listing(organization_id, status),
                    index=Index.LISTING,
                    after=after,
                    descending=descending,
                )
                for status in chosen
            ]
        jobs = (map(_job, items) for items in walks)
        yield from heapq.merge(*jobs, key=lambda job: job.id, reverse=descending)

    def count(self, organization_id: str, statuses: Iterable[JobStatus]) -> int:
        """Count the jobs in any of `statuses` (none given: in all)."""
        tally = self._records.get(layout.tally(organization_id))
        chosen = tuple(statuses) or tuple(JobStatus)
        return 0 if tally is None else sum(int(tally.values.get(status, 0)) for status in chosen)

    def events(self, job_id: str, *, after: int = 0, limit: int = 1_000) -> list[Event]:
        """Read the events behind the cursor `after`, in order."""
        items = walk(self._records, f"job#{job_id}", prefix="event#", after=f"event#{after:012d}")
        return [Event.model_validate(item.values) for item in itertools.islice(items, limit)]

    def position(self, job: Job) -> int:
        """Count the organisation's waiting jobs up to and with this one; 0 once it no longer waits."""
        if job.status is not JobStatus.QUEUED:
            return 0
        ahead = self._records.count(layout.queue(job.organization_id), index=Index.WORK, before=layout.turn(job))
        return ahead + 1

    def depth(self, backend: str) -> int:
        """Count the jobs of all organisations that wait for a backend."""
        return self._records.count(f"backend#{backend}", index=Index.BACKEND)

    def waiting_organizations(self) -> list[str]:
        """Name the organisations that have waiting jobs, as the last finished write left it."""
        return [item.key.sort for item in walk(self._records, layout.TALLIES) if item.values.get(JobStatus.QUEUED)]

    def next_waiting(self, organization_id: str, limit: int) -> list[Job]:
        """Read the jobs of an organisation that should start next, best first."""
        page = self._records.query(layout.queue(organization_id), index=Index.WORK, limit=limit)
        return [_job(item) for item in page.items]

    def running(self) -> Iterator[Job]:
        """Walk the jobs of all organisations that a workflow is at, the longest running first."""
        return map(_job, walk(self._records, layout.RUNNING, index=Index.WORK))

    def handed_over(self, engine: Engine) -> Iterator[Job]:
        """Walk the jobs of all organisations that are at a provider, in order of submission."""
        return map(_job, walk(self._records, layout.handed_over(engine), index=Index.BACKEND))

    def token(self, job_id: str) -> str | None:
        """Read the token by which a job's workflow goes on."""
        item = self._records.get(layout.token(job_id))
        return None if item is None else str(item.values["token"])

    # --- Changing ---

    def submit(self, job: Job, idempotency_key: str | None, fingerprint: str, *beside: Write) -> Job:
        """Reserve a new job's ceiling and queue it, once for each idempotency key of its user.

        Args:
            job: new and queued.
            idempotency_key: what the caller calls this submission.
            fingerprint: of the request; another one under the same key is refused.
            beside: what else is written in the same transaction.

        Returns:
            The job, or the one that was submitted under this key before.

        Raises:
            ConflictError: `IDEMPOTENCY_KEY_REUSED`, the key was used for another request.
            BudgetError: `BUDGET_EXCEEDED` or `JOBS_PAUSED`.
        """
        job = job.model_copy(update={"events": 1})
        writes: list[Write] = [
            Put(layout.item(job), (Absent(),)),
            self._event(job, "job.queued", f"Queued for {job.backend}"),
            Update(layout.tally(job.organization_id), add={JobStatus.QUEUED: 1}),
            *beside,
        ]
        if idempotency_key is not None:
            entry = {"job_id": job.id, "fingerprint": fingerprint}
            expires = int((job.created_at + IDEMPOTENCY_WINDOW).timestamp())
            place = layout.idempotency(job.organization_id, job.user_id, idempotency_key)
            writes.append(Put(Item(place, entry, expires_at=expires), (Absent(),)))
        for _ in range(_TRIES):
            try:
                held = self._ledger.hold(job.reservation)
            except BudgetError as problem:
                if self._observer and problem.details.get("whose") == "organization":
                    self._observer.refused(job)
                raise
            try:
                self._records.write(*writes, *held)
            except ConditionFailedError as refused:
                before = idempotency_key and self.submitted(
                    job.organization_id, job.user_id, idempotency_key, fingerprint
                )
                if before:
                    return before
                if min(refused.failed) < len(writes):
                    raise
                continue  # another took from the same budget meanwhile: look whether there is room
            return job
        raise BusyError(f"the books of {job.organization_id} changed again and again")

    def submitted(self, organization_id: str, user_id: str, idempotency_key: str, fingerprint: str) -> Job | None:
        """Find the job that a user submitted under an idempotency key, if they did.

        Raises:
            ConflictError: `IDEMPOTENCY_KEY_REUSED`, the key was used for another request.
        """
        entry = self._records.get(layout.idempotency(organization_id, user_id, idempotency_key))
        if entry is None:
            return None
        if entry.values["fingerprint"] != fingerprint:
            raise ConflictError(
                "IDEMPOTENCY_KEY_REUSED",
                "This Idempotency-Key was used for another request; take a new one for a new request.",
            )
        return self.get(organization_id, entry.values["job_id"])

    def start(self, job: Job, *, at_most_running: int, at_most_in_all: int) -> Job | None:
        """Move a waiting job to running, within the limits of its organisation and of the installation.

        Jobs at a provider count for their organisation, and not for the installation: nothing computes here.

        Returns:
            The running job; `None` if it waits no more or a limit is reached.
        """
        return self._move(
            job,
            JobStatus.RUNNING,
            "job.started",
            f"Started, attempt {job.attempt + 1}",
            changes={"attempt": job.attempt + 1, "started_at": self._clock.now()},
            limits=(at_most_running, at_most_in_all),
        )

    def requeue(self, job: Job, reason: str) -> Job | None:
        """Move a running job whose run died back among the waiting."""
        return self._move(
            job,
            JobStatus.QUEUED,
            "job.requeued",
            f"Waiting again: {reason}",
            level=Level.WARNING,
            changes={"started_at": None, "progress": Progress(), "hold": None},
            abandons=Abandoned.DIED,
        )

    def keep_token(self, job: Job, token: str) -> None:
        """Keep the token by which a job's workflow goes on; an older one is worth nothing then."""
        expires = int((self._clock.now() + TOKEN_LIFE).timestamp())
        self._records.write(Put(Item(layout.token(job.id), {"token": token}, expires_at=expires)))

    def send_to(self, job: Job, backend: str, config: dict[str, Any], reason: str, **data: Any) -> Job | None:
        """Note which backend was chosen for a running job; `None` if it runs no more."""
        return self._move(
            job,
            JobStatus.RUNNING,
            f"{job.kind}.chosen",
            f"Goes to {backend}: {reason}",
            data=data,
            changes={"backend": backend, "config": config},
            moves=False,
        )

    def hand_over(self, job: Job, remote: Remote) -> Job | None:
        """Note that a running job is about to be handed to its provider; `None` if it was, or runs no more."""
        return self._move(
            job,
            JobStatus.RUNNING,
            "job.handing_over",
            f"Handing over to {remote.engine}",
            changes={"remote": remote, "progress": Progress(percentage=40, step="handing over")},
            moves=False,
            same_remote=True,
        )

    def observe(self, job: Job, remote: Remote, charge: Charge | None = None) -> Job | None:
        """Note what a job's provider says of it; `None` if it runs no more, or more is known by now.

        The job is `unknown` for as long as the provider says nothing that we know.
        """
        unknown = remote.status is RemoteStatus.UNKNOWN
        to = JobStatus.UNKNOWN if unknown else JobStatus.RUNNING
        place = "" if remote.queue_position is None else f", {remote.queue_position} before it"
        return self._move(
            job,
            to,
            f"job.{remote.status}_remotely" if not unknown else "job.unknown",
            f"{remote.engine} says {remote.raw_status or 'nothing'}{place}",
            level=Level.WARNING if unknown else Level.INFO,
            data={"remote_id": remote.id, "raw_status": remote.raw_status},
            charge=charge,
            changes={"remote": remote, "progress": Progress(percentage=50, step=f"{remote.status} remotely")},
            moves=job.status is not to,
            same_remote=True,
        )

    def request_cancel(self, job: Job, reason: str, *beside: Write) -> Job | None:
        """Note that a job's provider is to stop it; `None` if it runs no more."""
        return self._move(
            job,
            job.status,
            "job.cancelling",
            reason,
            changes={"cancel_requested_at": self._clock.now()},
            moves=False,
            beside=beside,
        )

    def extend(self, job: Job, more: Money) -> Job | None:
        """Raise a running job's ceiling; `None` if it runs no more.

        Raises:
            BudgetError: `BUDGET_EXCEEDED`; the job keeps the ceiling it has.
        """
        for _ in range(_TRIES):
            held = self._ledger.hold(job.reservation, more=more)
            changes = {"reserved_cost": job.reserved_cost + more}
            message = f"May cost up to ${changes['reserved_cost']} now"
            after = self._move(
                job, JobStatus.RUNNING, "job.extended", message, changes=changes, moves=False, held=held
            )
            if after is not None:
                return after
            current = self.get(job.organization_id, job.id)
            if current is None or current.status is not JobStatus.RUNNING or current.attempt != job.attempt:
                return None
            job = current
        raise BusyError(f"the books of {job.organization_id} changed again and again")

    def complete(self, job: Job, message: str, data: dict[str, Any], charge: Charge | None = None) -> Job | None:
        """Move a running job to completed; its result must be readable by now."""
        return self._move(
            job,
            JobStatus.COMPLETED,
            "job.completed",
            message,
            data=data,
            charge=charge,
            changes={
                "completed_at": self._clock.now(),
                "progress": job.progress.model_copy(
                    update={"percentage": 100, "step": "completed", "eta_seconds": None}
                ),
            },
        )

    def fail(
        self,
        job: Job,
        error: JobError,
        charge: Charge | None = None,
        abandons: Abandoned = Abandoned.STOPPED,
    ) -> Job | None:
        """Move a running job to failed."""
        return self._move(
            job,
            JobStatus.FAILED,
            "job.failed",
            error.message,
            level=Level.ERROR,
            data=error.model_dump(mode="json"),
            charge=charge,
            abandons=abandons,
            changes={"completed_at": self._clock.now(), "error": error},
        )

    def cancel(
        self,
        job: Job,
        *beside: Write,
        charge: Charge | None = None,
        abandons: Abandoned = Abandoned.STOPPED,
    ) -> Job | None:
        """Move a waiting or running job to cancelled; `None` also if it was handed over meanwhile.

        `beside` is written in the same transaction.
        """
        return self._move(
            job,
            JobStatus.CANCELLED,
            "job.cancelled",
            "Cancelled by the user",
            charge=charge,
            changes={"completed_at": self._clock.now()},
            abandons=abandons,
            beside=beside,
            same_remote=True,
        )

    def report(
        self,
        job: Job,
        kind: str,
        message: str,
        progress: Progress,
        charge: Charge | None = None,
        remote: Remote | None = None,
        **data: Any,
    ) -> Job | None:
        """Add an event, the progress and what was used to a running job; `None` if it runs no more.

        `remote` is written too, unless somebody else did so meanwhile: then nothing is.
        """
        return self._move(
            job,
            JobStatus.RUNNING,
            kind,
            message,
            data=data,
            charge=charge,
            changes={"progress": progress, "hold": None} | ({} if remote is None else {"remote": remote}),
            moves=False,
            same_remote=remote is not None,
        )

    def advance(self, job: Job, step: Callable[[Job], Advance | None]) -> Job | None:
        """Let a running job go on by what follows from how it stands, in one transaction.

        Args:
            job: as it was read.
            step: says how the job goes on from where it stands, perhaps several times: others may be at the same
                job. It gives `None` where there is nothing to do.

        Returns:
            The job as it stands then; `None` if it runs no more.
        """
        for _ in range(_TRIES):
            if job.status is not JobStatus.RUNNING:
                return None
            advance = step(job)
            if advance is None:
                return job
            after = job.model_copy(
                update={
                    **advance.changes,
                    **job.charged(advance.charge),
                    "events": job.events + len(advance.happenings),
                    "updated_at": self._clock.now(),
                }
            )
            events = [
                self._event(job.model_copy(update={"events": number}), kind, message, level, dict(data))
                for number, (kind, message, data, level) in enumerate(advance.happenings, job.events + 1)
            ]
            put = Put(layout.item(after), (Equals("status", job.status), Equals("events", job.events)))
            try:
                self._records.write(put, *events)
            except ConditionFailedError:
                current = self.get(job.organization_id, job.id)
                if current is None or current.attempt != job.attempt:
                    return None
                job = current
                continue
            return after
        raise BusyError(f"job {job.id} changed again and again")

    def hold(self, job: Job, hold: Hold, progress: Progress) -> Job | None:
        """Note that a step of a running job begins, perhaps again; `None` if it runs no more."""
        return self._move(
            job,
            JobStatus.RUNNING,
            f"{job.kind}.{hold.step}",
            f"{hold.step.capitalize()}, for at most {hold.seconds:.0f} s",
            changes={"progress": progress, "hold": hold},
            abandons=Abandoned.DIED,
            moves=False,
        )

    def _move(
        self,
        job: Job,
        to: JobStatus,
        kind: str,
        message: str,
        *,
        level: Level = Level.INFO,
        data: dict[str, Any] | None = None,
        changes: dict[str, Any],
        charge: Charge | None = None,
        abandons: Abandoned | None = None,
        limits: tuple[int, int] | None = None,
        moves: bool = True,
        same_remote: bool = False,
        held: Sequence[Write] = (),
        beside: Sequence[Write] = (),
    ) -> Job | None:
        """Write a job's next state, its event, its cost and the tallies in one transaction.

        Holds only if the job is in the state it was read in; a job that merely got an event meanwhile is read
        again, unless it must be at the `same_remote`. `charge` is added to what the job used, and the price of a
        step that it `abandons`; a job that ends owes its provider nothing more, and is settled. `limits` are the
        most running jobs of the organisation and of the installation; `held` and `beside` are written too.
        """
        if job.status not in (_BEFORE[to] if moves else (to,)):
            return None
        for _ in range(_TRIES):
            now = self._clock.now()
            used = (charge or Charge()) + (job.abandoned(abandons, now) if abandons else Charge())
            settled: dict[str, Any] = {}
            if to.final and job.remote is not None and job.remote.owed:
                used += Charge(amount=job.remote.owed)
                settled = {"remote": job.remote.model_copy(update={"billed": True})}
            after = job.model_copy(
                update={
                    **changes,
                    **settled,
                    **job.charged(used),
                    "status": to,
                    "events": job.events + 1,
                    "updated_at": now,
                }
            )
            if to.final:
                after = after.model_copy(update={"actual_cost": after.cost_so_far, "hold": None})
            writes: list[Write] = [
                Put(layout.item(after), (Equals("status", job.status), Equals("events", job.events))),
                self._event(after, kind, message, level, data),
                *held,
                *beside,
            ]
            writes += self._tallies(job, after, limits)
            if to.final:
                writes += entries.settle(after.reservation, _cost_event(after, now))
                writes += self._observer.farewell(after) if self._observer else []
            try:
                self._records.write(*writes)
            except ConditionFailedError as refused:
                # Position 0 is the job itself, 1 its event; the others are limits that are reached.
                if not {0, 1} & set(refused.failed):
                    return None
                current = self.get(job.organization_id, job.id)
                if current is None or current.status is not job.status or current.attempt != job.attempt:
                    return None
                if held or (same_remote and current.remote != job.remote):
                    return None
                job = current
                continue
            if to.final and self._observer:
                self._observer.ended(after)
            return after
        raise BusyError(f"job {job.id} changed again and again")

    def _tallies(self, job: Job, after: Job, limits: tuple[int, int] | None) -> list[Write]:
        """Count the organisation's jobs by state, and those of the installation that compute here."""
        own, total = limits or (0, 0)
        tallies: list[Write] = []
        if after.status is not job.status:
            tallies.append(
                Update(
                    layout.tally(job.organization_id),
                    add={job.status: -1, after.status: 1},
                    when=(AtMost(JobStatus.RUNNING, own - 1),) if limits else (),
                )
            )
        if step := after.computes - job.computes:
            tallies.append(
                Update(
                    layout.RUNNING_TOTAL,
                    add={"running": step},
                    when=(AtMost("running", total - 1),) if limits else (),
                )
            )
        return tallies

    def _event(
        self,
        job: Job,
        kind: str,
        message: str,
        level: Level = Level.INFO,
        data: dict[str, Any] | None = None,
    ) -> Put:
        event = Event(
            cursor=job.events,
            type=kind,
            level=level,
            message=message,
            data={"status": job.status, **(data or {})},
            timestamp=self._clock.now(),
        )
        return Put(layout.event_item(job.id, event), (Absent(),))


def _cost_event(job: Job, now: datetime) -> CostEvent:
    return CostEvent(
        job_id=job.id,
        organization_id=job.organization_id,
        user_id=job.user_id,
        key_id=job.key_id,
        event_type=job.kind,
        backend=job.backend,
        month=job.month,
        estimated=job.estimated_cost,
        reserved=job.reserved_cost,
        amount=job.actual_cost or Money(),
        circuits=job.resources.circuits_executed,
        shots=job.resources.total_shots,
        compute_ms=round(job.resources.compute_seconds * 1_000),
        created_at=now,
    )


def _job(item: Item) -> Job:
    return Job.model_validate(item.values)
