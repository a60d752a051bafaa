"""The training port: preparing data, training and evaluating models, without naming a numerical library."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from ketbase.backends.types import BackendInfo
from ketbase.circuits.types import CircuitDefinition
from ketbase.models.types import Metrics, ModelSpec
from ketbase.training.types import EpochReport, Problem, StopReason, TrainingConfig, Trial, TrialResult


class Prepared(NamedTuple):
    """A training made ready.

    Attributes:
        problem: what its steps share.
        arrays: as NPZ: all parts of the data, raw.
    """

    problem: Problem
    arrays: bytes


class Finished(NamedTuple):
    """A trained model.

    Attributes:
        spec: `model.json`.
        arrays: `arrays.npz`.
        metrics: of the parts `train`, `validation` and `test`, where there are samples in them.
        baselines: of `logistic_regression` and `rbf_svm` on the same preprocessed features, on the test part, or on
            the validation part where there is none.
        n_parameters: trained.
        sdk: versions of the libraries.
    """

    spec: ModelSpec
    arrays: bytes
    metrics: dict[str, Metrics]
    baselines: dict[str, Metrics]
    n_parameters: int
    sdk: dict[str, str]


class Epoch(NamedTuple):
    """An epoch that was just finished.

    Attributes:
        report: what it gave.
        stopped_by: why no other follows; `None` while one does.
        checkpoint: gives all that is needed to go on from here with the very same numbers, as bytes.
    """

    report: EpochReport
    stopped_by: StopReason | None
    checkpoint: Callable[[], bytes]


class Trainer(Protocol):
    """Trains models. Nothing is kept between calls; the same arguments give the same numbers on one machine."""

    def prepare(
        self, config: TrainingConfig, definition: CircuitDefinition | None, upload: bytes | None
    ) -> Prepared:
        """Read the data, check it, and divide it.

        Args:
            config: of the job.
            definition: of a stored circuit; `None` for a template.
            upload: the file, for data of the type `upload`.

        Raises:
            InvalidError: what is wrong with the data, or does not fit between data, circuit and configuration.
        """

    def train(
        self,
        config: TrainingConfig,
        backend: BackendInfo,
        prepared: Prepared,
        trial: Trial,
        checkpoint: bytes | None,
    ) -> Iterator[Epoch]:
        """Train from a checkpoint, or from the beginning, epoch by epoch; a kernel has one epoch.

        Raises:
            KetbaseError: training cannot go on, such as with a loss that is no longer a number.
        """

    def result(self, checkpoint: bytes, trial: Trial) -> TrialResult:
        """Say how a finished trial ended."""

    def history(self, checkpoint: bytes) -> tuple[EpochReport, ...]:
        """Give all epochs until a checkpoint."""

    def finish(self, config: TrainingConfig, prepared: Prepared, trial: Trial, checkpoint: bytes) -> Finished:
        """Make a model of the best parameters of a trial, and evaluate it beside the classical baselines."""
