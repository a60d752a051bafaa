"""Jobs, their states and their events."""

import math
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field

from ketbase.backends.remote import RemoteState, RemoteStatus
from ketbase.backends.types import Engine
from ketbase.errors import InvalidError
from ketbase.ledger.types import Charge, Reservation
from ketbase.money import Money
from ketbase.types import Model, Moment

MAX_CURSOR = 10**12 - 1
"""The highest number of an event: events are ordered by twelve digits."""


class JobStatus(StrEnum):
    """queued → running → completed, failed or cancelled; whatever is not over can be cancelled.

    A running job is `unknown` while its provider does not say what became of it.
    """

    QUEUED = "queued"
    RUNNING = "running"
    UNKNOWN = "unknown"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether the job will never change again."""
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


def parse_statuses(text: str) -> list[JobStatus]:
    """Read a comma-separated list of states.

    Raises:
        InvalidError: `INVALID_STATUS`, with the states there are.
    """
    try:
        return [JobStatus(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError as problem:
        raise InvalidError(
            "INVALID_STATUS", f"{problem}; the states are {', '.join(JobStatus)}.", field="status"
        ) from problem


class Priority(StrEnum):
    """Which of an organisation's waiting jobs starts first; equals start in order of submission."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


type JobKind = Literal["run", "optimize", "training"]


class Progress(Model):
    """How far a running job is.

    Attributes:
        current_epoch: of a training, all trials of a sweep together; so is `total_epochs`.
        eta_seconds: until the last epoch, if the others take as long as those before.
    """

    percentage: int = 0
    step: str = "queued"
    current_epoch: int | None = None
    total_epochs: int | None = None
    eta_seconds: float | None = None


class JobError(Model):
    """Why a job failed; the same form as an error of the API."""

    code: str
    message: str
    details: dict[str, Any] = Field(default_factory=dict)


class TrainingMetrics(Model):
    """How well a training does: the trial that reported last, and the best loss of all.

    Attributes:
        best_loss: of the validation part, or of the training part where nothing is validated.
    """

    current_loss: float
    best_loss: float
    training_accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


class TrialProgress(Model):
    """How far one trial of a training is.

    Attributes:
        number: from 0.
        total_epochs: at most.
        epochs: how many are finished, and charged.
        seconds: that these took.
        slowest_s: of the last of these.
        best_loss: see `TrainingMetrics`.
        ended: why no epoch follows; `failed` with `problem`.
        held: what the epochs that are under way may cost, in this `attempt` of the job.
    """

    number: int
    total_epochs: int
    epochs: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    best_loss: float | None = None
    ended: Literal["epochs", "target", "plateau", "budget", "failed"] | None = None
    problem: JobError | None = None
    held: Money = Money()
    attempt: int = 0


class Resources(Model):
    """What a job used.

    Attributes:
        compute_seconds: of the functions that worked for it.
    """

    circuits_executed: int = 0
    total_shots: int = 0
    compute_seconds: float = 0.0


class Hold(Model):
    """A step that is under way, and how long it may go on for what the job may still cost.

    Attributes:
        seconds: after which its process ends.
        cost: of all these seconds.
        least: what the step costs however short it is.
        stoppable: whether it ends with its workflow, even where that does not stop a function.
    """

    step: str
    since: Moment
    seconds: float
    cost: Money
    least: Money = Money()
    stoppable: bool = False

    def charge(self, now: datetime) -> Charge:
        """Price the step until now, for one that will not say itself what it used."""
        elapsed = min(max((now - self.since).total_seconds(), 0.0), self.seconds)
        amount = Money(math.ceil(self.cost.nano * elapsed / self.seconds))
        return Charge(amount=max(amount, self.least), compute_ms=round(elapsed * 1_000))

    @property
    def whole(self) -> Charge:
        """The price of a step that used all of its time."""
        return Charge(amount=self.cost, compute_ms=round(self.seconds * 1_000))


_FAILS_FREE: frozenset[Engine] = frozenset({"ionq", "braket"})
"""Providers that ask nothing for what failed; of a job of several tasks they bill those that completed."""
_RAN = (RemoteStatus.RUNNING, RemoteStatus.COMPLETED, RemoteStatus.FAILED)


class Remote(Model):
    """A job at the provider that works on it.

    Attributes:
        id: what the provider calls the job; `None` while nobody knows whether it arrived there.
        status: where it stands there, in our words; `raw_status` in the provider's.
        queue_position: how many are served there first, where the provider says.
        began: whether it was seen running there, or may have run unseen.
        completed: what part of it was completed, where it failed.
        price: what it asks for the job, once that began.
        billed: whether the job was charged what its provider asks.
    """

    engine: Engine
    id: str | None = None
    status: RemoteStatus = RemoteStatus.QUEUED
    raw_status: str = ""
    queue_position: int | None = None
    message: str | None = None
    began: bool = False
    completed: float = 0.0
    price: Money = Money()
    billed: bool = False
    handed_over_at: Moment

    def seen(self, state: RemoteState) -> Self:
        """Give what is known after its provider said something.

        While its provider says nothing that we know, it may run unseen: that it waits there says that it did not.
        """
        unseen = self.status is RemoteStatus.UNKNOWN and state.status is RemoteStatus.CANCELLED
        return self.model_copy(
            update={
                "status": state.status,
                "raw_status": state.raw,
                "queue_position": state.queue_position,
                "message": state.message,
                "completed": state.completed,
                "began": self.began or unseen or state.status in _RAN,
            }
        )

    @property
    def owed(self) -> Money:
        """What its provider asks, where nobody was charged for it yet: all of the price, once it may have begun."""
        if self.billed or not (self.began or self.status is RemoteStatus.UNKNOWN):
            return Money()
        if self.status is RemoteStatus.FAILED and self.engine in _FAILS_FREE:
            return Money(math.ceil(self.price.nano * self.completed))
        return self.price


class Abandoned(StrEnum):
    """What becomes of the step that is under way when its job moves on, and so what it is charged."""

    STOPPED = "stopped"
    """It ended just now."""
    WHOLE = "whole"
    """It used all of its time, or nothing stops it before."""
    DIED = "died"
    """It ended nobody knows when, and the job is tried again: never more than half of what is left is charged."""


class Job(Model):
    """One piece of work.

    Attributes:
        config: what was asked for, in the form of the job's kind.
        key_id: the API key it was submitted with, if one was.
        month: the month that pays, such as `2026-01`.
        estimated_cost: what it was expected to cost.
        reserved_cost: the ceiling that it is held to.
        cost_so_far: what it used until now.
        actual_cost: what was settled when it ended, never above `reserved_cost`; `None` until then.
        resources: what it used, beside money.
        hold: the step that computes now; `None` between steps.
        metrics: of a training.
        trials: of a training, once it is prepared.
        remote: where it stands at its provider, once it is handed over.
        cancel_requested_at: since when its provider is to be asked to stop it.
        attempt: how many times the job was started; it grows when a run of it died.
        events: how many events it has, which is also the cursor of the newest.
    """

    id: str
    organization_id: str
    user_id: str
    kind: JobKind
    status: JobStatus
    priority: Priority
    circuit_id: str | None
    backend: str
    config: dict[str, Any]
    key_id: str | None = None
    month: str = ""
    estimated_cost: Money = Money()
    reserved_cost: Money = Money()
    cost_so_far: Money = Money()
    actual_cost: Money | None = None
    resources: Resources = Resources()
    progress: Progress = Progress()
    metrics: TrainingMetrics | None = None
    trials: tuple[TrialProgress, ...] = ()
    hold: Hold | None = None
    remote: Remote | None = None
    cancel_requested_at: Moment | None = None
    error: JobError | None = None
    attempt: int = 0
    events: int = 0
    created_at: Moment
    started_at: Moment | None = None
    completed_at: Moment | None = None
    updated_at: Moment

    @property
    def computes(self) -> bool:
        """Whether it takes up room here: it runs, and was not handed to a provider; fetching is no work."""
        return self.status is JobStatus.RUNNING and self.remote is None

    @property
    def execution(self) -> str:
        """The name of this attempt's workflow execution."""
        return f"{self.id}-{self.attempt}"

    @property
    def reservation(self) -> Reservation:
        """What was set aside for it."""
        return Reservation(
            job_id=self.id,
            organization_id=self.organization_id,
            user_id=self.user_id,
            key_id=self.key_id,
            month=self.month,
            amount=self.reserved_cost,
        )

    def abandoned(self, how: Abandoned, now: datetime) -> Charge:
        """Price the step that is under way, if one is, when nobody waits for it any more."""
        if self.hold is None:
            return Charge()
        if how is Abandoned.WHOLE:
            return self.hold.whole
        charge = self.hold.charge(now)
        if how is Abandoned.DIED:
            left = Money((self.reserved_cost - self.cost_so_far).nano // 2)
            return charge.model_copy(update={"amount": min(charge.amount, left)})
        return charge

    def charged(self, charge: Charge) -> dict[str, Any]:
        """Give the fields of this job after it used something."""
        used = self.resources
        return {
            # What goes beyond the ceiling is ours: the process that was to end there took a moment longer.
            "cost_so_far": min(self.cost_so_far + charge.amount, self.reserved_cost),
            "resources": Resources(
                circuits_executed=used.circuits_executed + charge.circuits,
                total_shots=used.total_shots + charge.shots,
                compute_seconds=round(used.compute_seconds + charge.compute_ms / 1_000, 3),
            ),
        }

    @property
    def epochs_completed(self) -> int | None:
        """How many epochs of a training are finished; `None` where it is not prepared, or is no training."""
        return sum(trial.epochs for trial in self.trials) if self.trials else None

    @property
    def reference(self) -> "JobReference":
        """What a workflow carries of the job."""
        return JobReference(organization_id=self.organization_id, job_id=self.id)


class JobReference(Model):
    """All that a workflow carries of a job."""

    organization_id: str
    job_id: str


class Level(StrEnum):
    """How much an event matters to a reader of logs."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Happening(NamedTuple):
    """What becomes an event of a job.

    Attributes:
        type: such as `training.epoch`.
    """

    type: str
    message: str
    data: Mapping[str, Any]
    level: Level = Level.INFO


class Advance(NamedTuple):
    """How a running job goes on.

    Attributes:
        changes: of its fields.
        happenings: at least one.
        charge: what it used.
    """

    changes: dict[str, Any]
    happenings: tuple[Happening, ...]
    charge: Charge = Charge()


class Event(Model):
    """Something that happened to a job; events are only ever added.

    Attributes:
        cursor: the event's number, from 1, without gaps.
        type: such as `job.started` or `run.compiled`.
    """

    cursor: int
    type: str
    level: Level = Level.INFO
    message: str
    data: dict[str, Any] = Field(default_factory=dict)
    timestamp: Moment


class LogLine(Model):
    """An event as a line of the log."""

    timestamp: Moment
    level: Level
    message: str


class Logs(Model):
    """The last lines of a job's log.

    Attributes:
        cursor: what to send as `after` to get what comes later.
        streaming: whether more may come.
    """

    logs: tuple[LogLine, ...]
    cursor: int
    streaming: bool


class Events(Model):
    """A job's events in order."""

    events: tuple[Event, ...]
    cursor: int
    status: JobStatus


class Submission(Model):
    """The answer to a submitted job.

    Attributes:
        estimated_cost: what the job is expected to cost.
        reserved_cost: what it may cost at most; so much of the budget is set aside until it ends.
        queue_position: how many of the organisation's jobs start before this one, plus one; 0 once it started.
        estimated_start: from the waiting jobs and how long the backend's latest jobs took; `None` when the
            backend has run nothing yet to judge by and others wait.
    """

    job_id: str
    status: JobStatus
    queue_position: int
    estimated_start: Moment | None
    estimated_cost: Money
    reserved_cost: Money


class ResultLink(Model):
    """A result that is too large for an answer: fetch it from `download_url` within `expires_in_s` seconds."""

    job_id: str
    download_url: str
    size_bytes: int
    expires_in_s: int


class Cancellation(Model):
    """The answer to a cancelled job.

    Attributes:
        status: `cancelled`; or `running`, where its provider has to be asked first, which happens within a minute.
        cost_incurred: what it used before; once it is over, the rest of its reservation is free again.
        epochs_completed: of a training, all trials of a sweep together.
    """

    job_id: str
    status: JobStatus
    cost_incurred: Money
    epochs_completed: int | None = None
