"""What the record of a training says of its trials: each epoch is charged once, and all trials share what is left.

Trials of one job run side by side, each in a process of its own. Before epochs begin, their trial holds what they
may cost, by the same conditional write that charges those before; so all together never cost more than the job may.
What a trial holds and does not use, for it died or ended, is free again.
"""

from collections.abc import Sequence
from typing import Any, Literal

from ketbase.backends.service import Backends
from ketbase.costs.meter import Meter
from ketbase.costs.prices import Prices
from ketbase.errors import BudgetError
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import (
    Advance,
    Happening,
    Job,
    JobError,
    Level,
    Progress,
    TrainingMetrics,
    TrialProgress,
)
from ketbase.ledger.types import Charge
from ketbase.money import Money
from ketbase.steps.ceiling import LEAST_S, JobOverError
from ketbase.training.types import EpochReport, StopReason

CONCURRENCY = 4
"""How many trials of one job are trained at a moment; the state machine says the same."""
CAREFUL = 1.5
"""How many times the last epochs' cost a trial has to hold for the next one to begin."""


class Books:
    """Writes how the trials of trainings go on."""

    def __init__(self, jobs: JobStore, backends: Backends, prices: Prices, meter: Meter):
        self._jobs = jobs
        self._backends = backends
        self._prices = prices
        self._meter = meter

    def begin(self, job: Job, number: int, history: Sequence[EpochReport], later: Money) -> Job:
        """Charge those of a trial's finished epochs that were not, and hold what the next ones may cost.

        Args:
            job: running.
            number: of the trial.
            history: all finished epochs, by its checkpoint.
            later: what the job needs for what comes after the epochs.

        Raises:
            JobOverError: the job runs no more.
        """
        told = f"goes on after epoch {history[-1].number}" if history else "begins"
        begins = Happening("training.began", _sentence(job, number, told), {"trial": number})
        return self._write(job, number, history, later, more=(begins,))

    def report(
        self, job: Job, number: int, reports: Sequence[EpochReport], later: Money, *, leaves: bool = False
    ) -> Job:
        """Charge epochs that were just finished, and hold what the next ones may cost, if they follow here.

        Raises:
            JobOverError: the job runs no more.
        """
        return self._write(job, number, reports, later, leaves=leaves)

    def end(
        self,
        job: Job,
        number: int,
        reports: Sequence[EpochReport],
        reason: StopReason | Literal["failed"],
        problem: JobError | None = None,
    ) -> Job:
        """Charge a trial's last epochs, and note why no other follows.

        Raises:
            JobOverError: the job runs no more.
        """
        told = problem.message if problem is not None else _REASONS[reason]
        level = Level.INFO if problem is None else Level.WARNING
        data = {"trial": number, "reason": reason}
        ended = Happening("training.ended", _sentence(job, number, told), data, level)
        return self._write(
            job, number, reports, Money(), leaves=True, reason=reason, problem=problem, more=(ended,)
        )

    def affords_more(self, job: Job, number: int, reports: Sequence[EpochReport]) -> bool:
        """Say whether what a trial holds is enough for another epoch."""
        mine = job.trials[number]
        return mine.held >= self._needed(job, mine, reports)

    def seconds(self, job: Job, number: int, reports: Sequence[EpochReport]) -> float:
        """Say how long a trial may go on for what it holds, in seconds."""
        return self._meter.seconds_for(job.trials[number].held - self._provider(job, reports[-1:]))

    def extended(self, job: Job, number: int, reports: Sequence[EpochReport]) -> Job | None:
        """Ask for what all epochs that are left are expected to cost, and at least what the trial holds.

        Returns:
            `None` where the month has no room.

        Raises:
            JobOverError: the job runs no more.
        """
        mine = job.trials[number]
        each = self._needed(job, mine, reports)
        left = sum(trial.total_epochs - trial.epochs for trial in job.trials if trial.ended is None)
        try:
            after = self._jobs.extend(job, max(each * max(left, 1), mine.held))
        except BudgetError:
            return None
        if after is None:
            raise JobOverError(job.id)
        return after

    def _needed(self, job: Job, mine: TrialProgress, reports: Sequence[EpochReport]) -> Money:
        time = self._meter.time(max(CAREFUL * mine.slowest_s, LEAST_S)) + self._meter.per_step
        return time + self._provider(job, reports[-1:])

    def _provider(self, job: Job, reports: Sequence[EpochReport]) -> Money:
        """Say what the provider asks for some epochs."""
        circuits = sum(report.circuits for report in reports)
        if not circuits:
            return Money()
        backend = self._backends.info(job.backend)
        return self._prices.backend(backend, circuits, sum(report.shots for report in reports)) or Money()

    def _write(
        self,
        job: Job,
        number: int,
        reports: Sequence[EpochReport],
        later: Money,
        *,
        leaves: bool = False,
        reason: StopReason | Literal["failed"] | None = None,
        problem: JobError | None = None,
        more: tuple[Happening, ...] = (),
    ) -> Job:
        def step(current: Job) -> Advance | None:
            mine = current.trials[number]
            if mine.ended is not None:
                return None
            new = [report for report in reports if report.number > mine.epochs]
            charges = [self._charge(current, report) for report in new]
            charge = sum(charges, Charge(amount=self._meter.per_step) if leaves else Charge())
            mine = _grown(mine, new).model_copy(
                update={"ended": reason, "problem": problem, "held": Money(), "attempt": current.attempt}
            )
            changes: dict[str, Any] = {"trials": _with(current.trials, mine), "hold": None}
            if not leaves:
                charged = current.model_copy(update=changes | current.charged(charge))
                held = mine.model_copy(update={"held": share(charged, number, later)})
                changes["trials"] = _with(current.trials, held)
            changes["progress"] = progress_of(changes["trials"])
            if new:
                changes["metrics"] = _metrics(changes["trials"], new[-1])
            happenings = [
                _happening(current, mine, report, each.amount) for report, each in zip(new, charges, strict=True)
            ]
            happenings += more
            return Advance(changes, tuple(happenings), charge) if happenings else None

        after = self._jobs.advance(job, step)
        if after is None:
            raise JobOverError(job.id)
        return after

    def _charge(self, job: Job, report: EpochReport) -> Charge:
        return Charge(
            amount=self._meter.time(report.seconds) + self._provider(job, (report,)),
            circuits=report.circuits,
            shots=report.shots,
            compute_ms=round(report.seconds * 1_000),
        )


def share(job: Job, number: int, later: Money) -> Money:
    """Say how much of what is left a trial may hold: as much as each that is still to begin beside it.

    Args:
        job: as it stands.
        number: of the trial.
        later: what is kept for what comes after the epochs.
    """
    others = [
        trial.held
        for trial in job.trials
        if trial.number != number and trial.ended is None and trial.attempt == job.attempt and trial.held
    ]
    left = job.reserved_cost - job.cost_so_far - later - sum(others, Money())
    waiting = sum(trial.ended is None for trial in job.trials)
    beside = max(min(CONCURRENCY, waiting) - len(others), 1)
    return Money(max(left.nano // beside, 0))


def progress_of(trials: Sequence[TrialProgress]) -> Progress:
    """Say how far all trials together are."""
    done = sum(trial.epochs for trial in trials)
    total = sum(trial.total_epochs if trial.ended is None else trial.epochs for trial in trials)
    waiting = sum(trial.ended is None for trial in trials)
    left = (total - done) * sum(trial.seconds for trial in trials) / done if done else None
    return Progress(
        percentage=min(100 * done // max(total, 1), 99),
        step="training" if waiting else "trained",
        current_epoch=done,
        total_epochs=total,
        eta_seconds=None if left is None else round(left / max(min(CONCURRENCY, waiting), 1), 1),
    )


_REASONS: dict[str, str] = {
    "epochs": "all epochs are done",
    "target": "the target is reached",
    "plateau": "the validation loss falls no more",
    "budget": "what it may cost is used up; it stops at its last epoch",
}


def _grown(mine: TrialProgress, new: Sequence[EpochReport]) -> TrialProgress:
    if not new:
        return mine
    losses = [loss_of(report) for report in new]
    before = () if mine.best_loss is None else (mine.best_loss,)
    return mine.model_copy(
        update={
            "epochs": new[-1].number,
            "seconds": mine.seconds + sum(report.seconds for report in new),
            "slowest_s": max(report.seconds for report in new),
            "best_loss": min((*before, *losses)),
        }
    )


def loss_of(report: EpochReport) -> float:
    """The loss by which an epoch is judged."""
    return report.loss if report.val_loss is None else report.val_loss


def _with(trials: Sequence[TrialProgress], mine: TrialProgress) -> tuple[TrialProgress, ...]:
    return tuple(mine if trial.number == mine.number else trial for trial in trials)


def _metrics(trials: Sequence[TrialProgress], last: EpochReport) -> TrainingMetrics:
    return TrainingMetrics(
        current_loss=last.loss,
        best_loss=min(trial.best_loss for trial in trials if trial.best_loss is not None),
        training_accuracy=last.accuracy,
        validation_loss=last.val_loss,
        validation_accuracy=last.val_accuracy,
    )


def _happening(job: Job, mine: TrialProgress, report: EpochReport, cost: Money) -> Happening:
    left = (mine.total_epochs - report.number) * mine.seconds / max(mine.epochs, 1)
    validated = "" if report.val_loss is None else f", validation loss: {report.val_loss:.4g}"
    told = f"epoch {report.number}/{mine.total_epochs} - loss: {report.loss:.4g}{validated}"
    data = report.model_dump(mode="json") | {
        "trial": mine.number,
        "cost": str(cost),
        "eta_seconds": round(left, 1),
    }
    return Happening("training.epoch", _sentence(job, mine.number, told), data)


def _sentence(job: Job, number: int, told: str) -> str:
    if len(job.trials) > 1:
        return f"Trial {number}: {told}"
    return told[0].upper() + told[1:]
