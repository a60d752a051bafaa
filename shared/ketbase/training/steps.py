"""The steps of a training's workflow; each may be repeated, and each stops where the job runs no more."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

from ketbase.backends.calibrations import id_of
from ketbase.backends.service import Backends
from ketbase.costs.meter import Meter
from ketbase.costs.quotes import EXECUTE_S
from ketbase.datasets.parts import PartSizes
from ketbase.datasets.store import DatasetStore
from ketbase.errors import KetbaseError, UnavailableError
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Advance, Happening, Job, JobError, JobReference, TrialProgress
from ketbase.models.registry import Registry, Trained
from ketbase.money import Money
from ketbase.ports.doorbell import Doorbell
from ketbase.ports.training import Epoch, Prepared, Trainer
from ketbase.steps.ceiling import (
    LEAST_S,
    Alarm,
    Ceiling,
    CeilingReachedError,
    JobOverError,
    ceiling_reached,
    process_alarm,
)
from ketbase.steps.failures import StepFailedError, ended_at_ceiling, error_of, job_error, refusals
from ketbase.steps.files import JobFiles
from ketbase.steps.running import running
from ketbase.steps.types import StepFailure
from ketbase.training.books import CAREFUL, Books, progress_of
from ketbase.training.checks import fitting
from ketbase.training.estimates import Subject, training_work
from ketbase.training.files import TrainingFiles
from ketbase.training.sweeps import applied, best
from ketbase.training.types import EpochReport, TrainingConfig, TrainingResult, Trial, TrialResult

REPORT_EVERY_S = 1.0
"""How often a checkpoint is kept and epochs are reported, at most."""
MOST_EPOCHS = 50
"""Of one report: each is an event, and a transaction holds a hundred writes."""


class TrainingSteps:
    """Prepare the data, train each trial in stretches, and make a model of the best."""

    def __init__(
        self,
        jobs: JobStore,
        files: JobFiles,
        kept: TrainingFiles,
        trainer: Trainer,
        datasets: DatasetStore,
        registry: Registry,
        backends: Backends,
        books: Books,
        meter: Meter,
        ceiling: Ceiling,
        doorbell: Doorbell,
        *,
        stretch_s: float,
        alarm: Alarm = process_alarm,
    ):
        """Wire the steps.

        Args:
            jobs: the jobs.
            files: what all jobs keep.
            kept: what trainings keep beside.
            trainer: trains.
            datasets: the data that users sent.
            registry: of models.
            backends: the backends.
            books: charge the epochs.
            meter: of the time of this process.
            ceiling: holds what comes before and after the epochs to what the job may cost.
            doorbell: rung at the end.
            stretch_s: after which a step leaves the rest to the next one, in seconds.
            alarm: what ends this process.
        """
        self._jobs = jobs
        self._files = files
        self._kept = kept
        self._trainer = trainer
        self._datasets = datasets
        self._registry = registry
        self._backends = backends
        self._books = books
        self._meter = meter
        self._ceiling = ceiling
        self._doorbell = doorbell
        self._stretch_s = stretch_s
        self._alarm = alarm

    # --- Prepare ---

    def prepare(self, reference: JobReference) -> tuple[int, ...]:
        """Read, check and divide the data, and number the trials.

        Raises:
            JobOverError: the job runs no more.
            StepFailedError: the data is wrong, or does not fit the circuit.
        """
        job, used = running(self._jobs, reference), self._meter.start()
        if not job.trials:
            config = _config(job)
            definition = None if config.template is not None else self._files.circuit(reference).definition
            upload = self._upload(job, config)
            with self._held(job, "preparing", self._meter.per_step * 2):
                prepared = self._trainer.prepare(config, definition, upload)
            self._kept.keep(reference, prepared)
            trials = tuple(_begun(config, trial) for trial in prepared.problem.trials)

            def step(current: Job) -> Advance | None:
                changes = {"trials": trials, "progress": progress_of(trials), "hold": None}
                happening = Happening("training.prepared", _prepared(prepared), {"trials": len(trials)})
                return None if current.trials else Advance(changes, (happening,), used.charge())

            job = self._advanced(job, step)
        return tuple(trial.number for trial in job.trials)

    def _upload(self, job: Job, config: TrainingConfig) -> bytes | None:
        dataset_id = config.dataset.dataset_id
        if dataset_id is None:
            return None
        data = self._datasets.file(job.organization_id, dataset_id)
        if data is None:
            message = f"The data set {dataset_id} was deleted before the training began."
            raise StepFailedError.of(JobError(code="DATASET_NOT_FOUND", message=message))
        return data

    # --- Train ---

    def train(self, reference: JobReference, number: int, ended: StepFailure | None = None) -> bool:
        """Train a trial from its checkpoint for a while, and say whether more is to be done.

        Args:
            reference: to the job.
            number: of the trial.
            ended: how the process ended that was at this trial before, where it did not end by itself.

        Raises:
            JobOverError: the job runs no more.
            StepFailedError: the training cannot go on.
            UnavailableError: the backend's provider does not answer.
        """
        job = running(self._jobs, reference)
        if job.trials[number].ended is not None:
            return False
        stretch = self._stretch(job, number)
        if ended is not None:
            return self._after_end(stretch, ended)
        try:
            return self._trained(stretch)
        except UnavailableError:
            raise
        except KetbaseError as problem:
            error = job_error(problem)
            if len(job.trials) == 1:
                raise StepFailedError.of(error) from problem
            self._books.end(job, number, (), "failed", error)
            return False

    def _stretch(self, job: Job, number: int) -> "_Stretch":
        config, prepared = _config(job), self._kept.prepared(job.reference)
        later = self._meter.charge(CAREFUL * _finish_s(self._backends, config, prepared)).amount
        checkpoint = self._kept.checkpoint(job.reference, number)
        history = () if checkpoint is None else self._trainer.history(checkpoint)
        return _Stretch(job, config, prepared, prepared.problem.trials[number], checkpoint, history, later)

    def _after_end(self, stretch: "_Stretch", ended: StepFailure) -> bool:
        """Go on where more may be spent after the alarm of the ceiling, and stop at the last epoch elsewhere."""
        job, number = stretch.job, stretch.trial.number
        if not ended_at_ceiling(ended):
            raise StepFailedError.of(error_of(ended))
        if self._extended(stretch, job, stretch.history):
            return True
        if not stretch.history:
            raise StepFailedError.of(ceiling_reached(job))
        self._books.end(job, number, stretch.history, "budget")
        return False

    def _trained(self, stretch: "_Stretch") -> bool:
        job, number, later = stretch.job, stretch.trial.number, stretch.later
        began, last = time.monotonic(), stretch.history
        backend = self._backends.info(job.backend)
        going = self._goes_on(stretch, self._books.begin(job, number, last, later), last)
        if going is None:
            return False
        job = going
        epochs = self._trainer.train(stretch.config, backend, stretch.prepared, stretch.trial, stretch.checkpoint)
        while True:
            left = EXECUTE_S - (time.monotonic() - began)
            with self._ended_after(self._books.seconds(job, number, last), left):
                some = _some(epochs)
            if not some:  # the checkpoint was one of the last epoch
                ended = self._trainer.result(stretch.checkpoint or b"", stretch.trial)
                self._books.end(job, number, last, ended.stopped_by)
                return False
            checkpoint = some[-1].checkpoint()
            self._kept.keep_checkpoint(job.reference, number, checkpoint)
            last = tuple(epoch.report for epoch in some)
            reason = some[-1].stopped_by
            if reason is not None:
                self._books.end(job, number, last, reason)
                return False
            gone = time.monotonic() - began
            leaves = gone >= self._stretch_s or gone + CAREFUL * max(each.seconds for each in last) > EXECUTE_S
            job = self._books.report(job, number, last, later, leaves=leaves)
            if leaves:
                return True
            going = self._goes_on(stretch, job, last)
            if going is None:
                return False
            job = going

    def _goes_on(self, stretch: "_Stretch", job: Job, last: tuple[EpochReport, ...]) -> Job | None:
        """Give the job in which a trial holds enough for its next epoch; where it cannot, the trial ends."""
        number = stretch.trial.number
        if self._books.affords_more(job, number, last):
            return job
        extended = self._extended(stretch, job, last)
        if extended is not None:
            job = self._books.begin(extended, number, last, stretch.later)
            if self._books.affords_more(job, number, last):
                return job
        if not job.trials[number].epochs and len(job.trials) == 1:
            raise StepFailedError.of(ceiling_reached(job))
        self._books.end(job, number, last, "budget")
        return None

    def _extended(self, stretch: "_Stretch", job: Job, last: tuple[EpochReport, ...]) -> Job | None:
        """Ask for more, where the user did not say what the job may cost."""
        if stretch.config.budget_limit is not None:
            return None
        return self._books.extended(job, stretch.trial.number, last)

    def _ended_after(self, affordable: float, left: float) -> AbstractContextManager[None]:
        """End this process when the money is used up; its time is the function's affair."""
        seconds = max(affordable, LEAST_S)  # an alarm in no time would never go off
        return self._alarm(seconds) if seconds < left else nullcontext()

    # --- Finish ---

    def finish(self, reference: JobReference) -> None:
        """Make a model of the best trial, register it, and complete the job.

        Raises:
            JobOverError: the job runs no more.
            StepFailedError: no trial came to an end with a model.
        """
        job, used = running(self._jobs, reference), self._meter.start()
        config, prepared = _config(job), self._kept.prepared(reference)
        results = tuple(self._results(job, prepared))
        if not results:
            failed = [trial.problem for trial in job.trials if trial.problem is not None]
            raise StepFailedError.of(failed[0] if failed else ceiling_reached(job))
        objective = "val_loss" if config.sweep is None else config.sweep.objective
        number = best(results, objective)
        checkpoint = self._kept.checkpoint(reference, number) or b""
        with self._held(job, "evaluating", Money()):
            finished = self._trainer.finish(config, prepared, prepared.problem.trials[number], checkpoint)
        history = self._trainer.history(checkpoint)
        model = self._registry.add(
            job.organization_id,
            Trained(
                model_id=config.model_id,
                user_id=job.user_id,
                name=config.name,
                job_id=job.id,
                circuit_id=job.circuit_id,
                finished=finished,
                data=prepared.problem.data,
                history=history,
                config=job.config,
                training_cost=min(job.cost_so_far + used.charge().amount, job.reserved_cost),
            ),
        )
        chosen = next(result for result in results if result.number == number)
        calibration = self._backends.info(job.backend).calibration
        result = TrainingResult(
            job_id=job.id,
            model_id=model.id,
            model_version=model.version,
            circuit_id=job.circuit_id,
            config=config,
            data=prepared.problem.data,
            metrics=finished.metrics,
            baselines=finished.baselines,
            history=history,
            trials=results,
            best_trial=number,
            stopped_by=chosen.stopped_by,
            n_parameters=finished.n_parameters,
            sdk=finished.sdk,
            calibration_id=None if calibration is None else id_of(calibration.taken_at),
            completed_at=model.created_at,
        )
        self._files.keep(reference, "result.json", result)
        told = f"Completed: {model.name} {model.version}, {_shown(model.metrics)}"
        data = {"model_id": model.id, "model_version": model.version, "best_trial": number}
        if self._jobs.complete(job, told, data, used.charge()) is None:
            raise JobOverError(job.id)
        self._doorbell.ring(f"{job.id} completed")

    def _results(self, job: Job, prepared: Prepared) -> Iterator[TrialResult]:
        for progress, trial in zip(job.trials, prepared.problem.trials, strict=True):
            if progress.ended is None or progress.ended == "failed" or not progress.epochs:
                continue
            checkpoint = self._kept.checkpoint(job.reference, trial.number)
            if checkpoint is not None:
                result = self._trainer.result(checkpoint, trial)
                yield result.model_copy(update={"stopped_by": progress.ended})

    # --- All ---

    @contextmanager
    def _held(self, job: Job, step: str, later: Money) -> Iterator[None]:
        """Hold a block to the job's ceiling, and turn what it refuses into the step's failure."""
        try:
            with refusals(), self._ceiling.over(job, step, longest_s=EXECUTE_S, later=later):
                yield
        except CeilingReachedError as problem:
            raise StepFailedError.of(ceiling_reached(job)) from problem

    def _advanced(self, job: Job, step: Callable[[Job], Advance | None]) -> Job:
        after = self._jobs.advance(job, step)
        if after is None:
            raise JobOverError(job.id)
        return after


class _Stretch(NamedTuple):
    """Where a trial stands when a step takes it up."""

    job: Job
    config: TrainingConfig
    prepared: Prepared
    trial: Trial
    checkpoint: bytes | None
    history: tuple[EpochReport, ...]
    later: Money


def _config(job: Job) -> TrainingConfig:
    return TrainingConfig.model_validate(job.config)


def _begun(config: TrainingConfig, trial: Trial) -> TrialProgress:
    epochs = 1 if config.method == "kernel" else applied(config, trial.changed).epochs
    return TrialProgress(number=trial.number, total_epochs=epochs)


def _some(epochs: Iterator[Epoch]) -> list[Epoch]:
    """Take epochs for about a second, or until the one that no other follows."""
    until, some = time.monotonic() + REPORT_EVERY_S, list[Epoch]()
    for epoch in epochs:
        some.append(epoch)
        if epoch.stopped_by is not None or len(some) == MOST_EPOCHS or time.monotonic() >= until:
            break
    return some


def _finish_s(backends: Backends, config: TrainingConfig, prepared: Prepared) -> float:
    problem = prepared.problem
    sizes = PartSizes(*(sum(problem.data.counts[part]) for part in ("train", "validation", "test")))
    n_raw = len(problem.data.features)
    trained = [applied(config, trial.changed) for trial in problem.trials]
    subjects = tuple(Subject(each, fitting(each, problem.definition, n_raw).definition) for each in trained)
    return training_work(subjects, sizes, n_raw, backends.info(config.backend)).finish_s


def _prepared(prepared: Prepared) -> str:
    data = prepared.problem.data
    sizes = ", ".join(f"{sum(counts)} {part}" for part, counts in data.counts.items())
    return f"Prepared: {sizes} samples of {len(data.classes)} classes"


def _shown(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
