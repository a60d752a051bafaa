"""A training with a trainer that costs no time, and that can be killed between any two things it does."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ketbase.accounts.store import AccountStore
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.circuits.service import Circuits
from ketbase.circuits.store import CircuitStore
from ketbase.circuits.types import CircuitDefinition, CreateCircuit, Gate
from ketbase.costs.meter import Meter
from ketbase.costs.prices import Prices
from ketbase.costs.quotes import Quotes
from ketbase.datasets.service import Datasets
from ketbase.datasets.store import DatasetStore
from ketbase.datasets.types import DataSummary
from ketbase.errors import KetbaseError
from ketbase.jobs.service import Jobs
from ketbase.jobs.types import Job
from ketbase.models.pricing import PredictionPrices
from ketbase.models.registry import Registry
from ketbase.models.store import ModelStore
from ketbase.models.types import Estimate, Head, Metrics, ModelSpec
from ketbase.ports.training import Epoch, Finished, Prepared
from ketbase.steps.ceiling import Ceiling
from ketbase.steps.failing import Failing
from ketbase.steps.files import JobFiles
from ketbase.steps.intake import Intake
from ketbase.steps.types import StepFailure
from ketbase.training.books import Books
from ketbase.training.files import TrainingFiles
from ketbase.training.service import Trainings
from ketbase.training.steps import TrainingSteps
from ketbase.training.sweeps import applied, trials
from ketbase.training.types import EpochReport, Problem, SubmitTraining, TrainingConfig, Trial, TrialResult
from tests.fakes import (
    ALICE,
    DictBlobs,
    FakeDoorbell,
    FakeLanguage,
    FakeWorkflows,
    TurnedClock,
    backends_of,
    books,
    job_store,
)

SECONDS = 0.25
"""That each epoch takes, as it says."""
CIRCUITS = 10
"""That each epoch runs."""


class Killed(BaseException):
    """A power cut."""


class Executioner:
    """Lets a process live for so many of the things it does, and kills it before or behind the last of them."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.behind = False

    def around[Result](self, act: Callable[[], Result]) -> Result:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                if self.behind:
                    act()
                raise Killed
        return act()


class KilledBlobs(DictBlobs):
    def __init__(self, executioner: Executioner):
        super().__init__()
        self._executioner = executioner

    def put(self, key: str, data: bytes, **more: Any) -> None:
        self._executioner.around(lambda: super(KilledBlobs, self).put(key, data, **more))


class KilledRecords(SqliteRecords):
    executioner: Executioner

    def write(self, *writes: Any) -> None:
        self.executioner.around(lambda: super(KilledRecords, self).write(*writes))


class FakeTrainer:
    """Its loss is a hash of the one before: whoever leaves an epoch out, or does one twice, gets another one."""

    def __init__(self, executioner: Executioner) -> None:
        self._executioner = executioner
        self.problem: KetbaseError | None = None
        self.failing: set[int] = set()
        self.slow: dict[int, float] = {}
        self.trained: list[tuple[int, int]] = []
        self.after: Callable[[int], None] = lambda _number: None

    def prepare(
        self, config: TrainingConfig, definition: CircuitDefinition | None, upload: bytes | None
    ) -> Prepared:
        if self.problem is not None:
            raise self.problem
        problem = Problem(
            definition=definition or CircuitDefinition.of_gates(1, [_turn("RY", "x_0"), _turn("RZ", "theta_0")]),
            features=("x_0",),
            data=DataSummary(
                type=config.dataset.type,
                sha256="0",
                classes=(0, 1),
                counts={"train": (32, 32), "validation": (8, 8), "test": (10, 10)},
                features=("0", "1"),
            ),
            trials=trials(config),
        )
        return Prepared(problem, b"arrays")

    def train(
        self, config: TrainingConfig, backend: Any, prepared: Prepared, trial: Trial, checkpoint: bytes | None
    ) -> Iterator[Epoch]:
        assert prepared.arrays == b"arrays"
        mine = applied(config, trial.changed)
        history = [] if checkpoint is None else json.loads(checkpoint)
        while len(history) < mine.epochs:
            if trial.number in self.failing:
                raise KetbaseError("TRAINING_DIVERGED", "The loss is no longer a number.")
            number = len(history) + 1
            report = self._executioner.around(partial(self._report, mine, trial, history))
            history = [*history, report.model_dump(mode="json")]
            self.trained.append((trial.number, number))
            ended = "epochs" if number == mine.epochs else None
            text = json.dumps(history).encode()
            self.after(number)
            yield Epoch(report, ended, lambda text=text: text)

    def _report(self, config: TrainingConfig, trial: Trial, history: list[Any]) -> EpochReport:
        before = [each["loss"] for each in history[-1:]]
        text = json.dumps([config.seed, trial.number, len(history), before])
        loss = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32
        return EpochReport(
            number=len(history) + 1,
            loss=loss,
            accuracy=1 - loss,
            val_loss=loss + config.learning_rate,
            val_accuracy=1 - loss,
            learning_rate=config.learning_rate,
            seconds=self.slow.get(trial.number, SECONDS),
            circuits=CIRCUITS,
            shots=CIRCUITS * 100,
        )

    def history(self, checkpoint: bytes) -> tuple[EpochReport, ...]:
        return tuple(EpochReport.model_validate(each) for each in json.loads(checkpoint))

    def result(self, checkpoint: bytes, trial: Trial) -> TrialResult:
        history = self.history(checkpoint)
        return TrialResult(
            **dict(trial),
            epochs=len(history),
            best_epoch=len(history),
            stopped_by="epochs",
            loss=history[-1].loss,
            val_loss=history[-1].val_loss,
            val_accuracy=history[-1].val_accuracy,
            seconds=sum(each.seconds for each in history),
        )

    def finish(self, config: TrainingConfig, prepared: Prepared, trial: Trial, checkpoint: bytes) -> Finished:
        spec = ModelSpec(
            definition=prepared.problem.definition,
            features=("x_0",),
            parameters=("theta_0",),
            columns=("0", "1"),
            classes=(0, 1),
            head=Head(readout="expectation", loss="cross_entropy", scale=4.0),
        )
        good = Estimate(value=0.9, low=0.8, high=1.0)
        metrics = Metrics(
            n_samples=20,
            accuracy=good,
            f1=good,
            loss=good,
            confusion=((10, 0), (2, 8)),
            calibration_error=0.1,
            reliability=(),
        )
        return Finished(spec, checkpoint, {"test": metrics}, {"rbf_svm": metrics}, 1, {"numpy": "2"})


def _turn(kind: str, name: str) -> Gate:
    return Gate(type=kind, targets=(0,), parameters={"theta": name})


class Scene:
    """All that a training needs, in memory; `alarms` are the seconds that steps were given."""

    def __init__(self, path: Any, *, stretch_s: float = 600.0, limit: str = "1000"):
        self.clock = TurnedClock()
        self.executioner = Executioner()
        self.blobs = KilledBlobs(self.executioner)
        self.records = KilledRecords(path, self.clock)
        self.records.executioner = self.executioner
        self.store = job_store(self.records, self.clock, limit)
        self.ledger = books(self.records, self.clock, limit)
        self.trainer = FakeTrainer(self.executioner)
        self.circuits = Circuits(CircuitStore(self.records, self.blobs), FakeLanguage, self.clock)
        self.prices = Prices.load(None)
        self.meter = Meter(self.prices, 1_024)
        self.doorbell = FakeDoorbell()
        quotes = Quotes(self.prices, compute_memory_mb=1_024, control_memory_mb=512)
        backends = backends_of(self.records, self.store, quotes, self.clock, engines=("aer", "ionq"))
        datasets = DatasetStore(self.records, self.blobs)
        self.datasets = Datasets(datasets, lambda: None, self.clock, lambda _key, _seconds: "there")
        files = JobFiles(self.blobs)
        intake = Intake(self.store, files, backends, self.doorbell, self.clock)
        accounts = AccountStore(self.records)
        self.trainings = Trainings(accounts, self.circuits, self.datasets, backends, quotes, intake)
        self.registry = Registry(
            ModelStore(self.records, self.blobs), PredictionPrices(self.prices, 512), self.clock
        )
        self.alarms: list[float] = []
        self.kept = TrainingFiles(self.blobs)
        self.steps = TrainingSteps(
            self.store,
            files,
            self.kept,
            self.trainer,
            datasets,
            self.registry,
            backends,
            Books(self.store, backends, self.prices, self.meter),
            self.meter,
            Ceiling(self.store, self.meter, self.clock, self.alarm),
            self.doorbell,
            stretch_s=stretch_s,
            alarm=self.alarm,
        )
        self.failing = Failing(self.store, self.doorbell, self.meter)
        self.jobs = Jobs(self.store, self.blobs, FakeWorkflows(), self.doorbell, self.clock)

    @contextmanager
    def alarm(self, seconds: float) -> Iterator[None]:
        self.alarms.append(seconds)
        yield

    def circuit(self, *gates: Gate) -> str:
        made = gates or (_turn("RY", "x_0"), _turn("RZ", "theta_0"))
        n_qubits = 1 + max(target for gate in made for target in gate.targets)
        return self.circuits.create(ALICE, CreateCircuit(name="mine", n_qubits=n_qubits, gates=made)).id

    def submitted(self, **config: Any) -> str:
        body = {"template": {"n_qubits": 2, "layers": 1}} | config.pop("body", {})
        config = {"dataset": {"type": "moons", "n_samples": 100}} | config
        asked = SubmitTraining.model_validate({**body, "config": config})
        return self.trainings.submit(ALICE, asked, None).job_id

    def started(self, **config: Any) -> Job:
        job = self.store.get(ALICE.organization_id, self.submitted(**config))
        return self.store.start(job, at_most_running=10, at_most_in_all=10)

    def job(self, job_id: str) -> Job:
        return self.store.get(ALICE.organization_id, job_id)

    def run(self, job: Job, *, again: Callable[[], None] = lambda: None) -> Job:
        """Do what the state machine does; a step that is killed is done again."""
        reference = job.reference
        numbers = _until_alive(lambda: self.steps.prepare(reference), again)
        for number in numbers:
            while _until_alive(lambda number=number: self.steps.train(reference, number), again):
                pass
        _until_alive(lambda: self._finished(job), again)
        return self.job(job.id)

    def _finished(self, job: Job) -> None:
        if not self.job(job.id).status.final:
            self.steps.finish(job.reference)

    def fail(self, job: Job, problem: Exception) -> Job:
        self.failing.fail(
            job.reference,
            StepFailure(
                Error="StepFailedError", Cause={"errorType": "StepFailedError", "errorMessage": str(problem)}
            ),
        )
        return self.job(job.id)

    def events(self, job: Job, kind: str) -> list[dict[str, Any]]:
        return [event.data for event in self.store.events(job.id) if event.type == kind]

    def result(self, job: Job) -> dict[str, Any]:
        return self.jobs.result(ALICE, job.id)


def _until_alive[Result](act: Callable[[], Result], again: Callable[[], None]) -> Result:
    while True:
        try:
            return act()
        except Killed:
            again()
