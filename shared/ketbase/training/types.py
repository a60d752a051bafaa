"""What a training is asked, what its job keeps, and what it answers."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from ketbase.circuits.types import CircuitDefinition
from ketbase.datasets.types import DataSpec, DataSummary
from ketbase.jobs.types import JobReference, Priority
from ketbase.models.types import Metrics
from ketbase.money import Money, positive
from ketbase.steps.types import StepFailure
from ketbase.types import Model, Moment

MAX_EPOCHS = 10_000
MAX_TRAINING_QUBITS = 16
MAX_TRIALS = 100

type Ansatz = Literal["basic_entangler", "strongly_entangling", "data_reuploading", "efficient_su2"]
type Encoding = Literal["angle", "amplitude", "iqp"]
type OptimizerName = Literal["adam", "sgd", "rmsprop", "spsa", "l-bfgs-b", "cobyla", "qng"]
type Gradient = Literal["auto", "adjoint", "parameter_shift", "spsa"]
type StopReason = Literal["epochs", "target", "plateau", "budget"]
type Objective = Literal["val_loss", "val_accuracy"]


class Template(Model):
    """A circuit by its name.

    Attributes:
        ansatz: the trainable layers. `data_reuploading` repeats the encoding before each of them.
        encoding: how features enter: one rotation about Y each; the amplitudes themselves, up to 2^n_qubits
            features; or Hadamards, then phases of features and of their products (IQP).
        n_qubits: of the register.
        layers: of the ansatz.
    """

    ansatz: Ansatz = "strongly_entangling"
    encoding: Encoding = "angle"
    n_qubits: Annotated[int, Field(ge=1, le=MAX_TRAINING_QUBITS)]
    layers: Annotated[int, Field(ge=1, le=50)] = 3


class Schedule(Model):
    """How the learning rate changes with the epoch e of E.

    Attributes:
        type: `step` multiplies by `factor` every `every` epochs, `exponential` by `factor` each epoch, `cosine`
            goes from the rate to `factor` times it along half a cosine.
    """

    type: Literal["constant", "step", "exponential", "cosine"] = "constant"
    factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    every: Annotated[int, Field(ge=1)] = 10


class EarlyStopping(Model):
    """Stop when the validation loss did not fall by `min_delta` for `patience` epochs."""

    patience: Annotated[int, Field(ge=1, le=MAX_EPOCHS)] = 10
    min_delta: Annotated[float, Field(ge=0)] = 1e-4


class Target(Model):
    """Stop when the validation part reaches this."""

    metric: Objective = "val_accuracy"
    value: float


class Sweep(Model):
    """Several trainings side by side, of which the best is kept.

    Attributes:
        parameters: fields of the configuration, or `layers`, `n_qubits`, `ansatz` and `encoding` of the template,
            with the values to try; all combinations are.
        folds: train each combination so many times, on all but one part of the training and validation samples.
        objective: by which the best is chosen, averaged over folds.
    """

    parameters: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    folds: Annotated[int, Field(ge=2, le=20)] | None = None
    objective: Objective = "val_loss"


class TrainingOptions(Model):
    """How a model is trained.

    Attributes:
        method: `variational` trains the parameters; `kernel` fits a support vector machine on the fidelities of
            the encoded states, and needs a circuit without trainable parameters.
        backend: where circuits run. A simulator without noise and without `shots` is computed exactly, by the
            batched engine; anything else runs circuit by circuit, with shots.
        shots: for each circuit; `None` where it is computed exactly.
        readout: ⟨Z⟩ of qubit k for class k (of qubit 0 alone for two classes), or the probabilities of the
            outcomes of as few qubits as tell the classes apart.
        loss: between the readout and the label. With two classes read out by ⟨Z₀⟩, labels are +1 and −1 for `mse`.
        scale: what expectation values are multiplied by before the softmax of `cross_entropy`.
        gradient: `auto` is adjoint where circuits are computed exactly, parameter-shift elsewhere.
        precision: of the amplitudes.
        initial_parameters: by name, in radians; drawn from the seed where they are not given.
        regularization: the C of the support vector machine.
    """

    method: Literal["variational", "kernel"] = "variational"
    backend: str = "aer"
    shots: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    dataset: DataSpec
    epochs: Annotated[int, Field(ge=1, le=MAX_EPOCHS)] = 50
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 32
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.05
    optimizer: OptimizerName = "adam"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    schedule: Schedule = Schedule()
    early_stopping: EarlyStopping | None = None
    target: Target | None = None
    readout: Literal["expectation", "probabilities"] = "expectation"
    loss: Literal["cross_entropy", "mse"] = "cross_entropy"
    scale: Annotated[float, Field(gt=0, le=100)] = 4.0
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = None
    gradient: Gradient = "auto"
    precision: Literal["complex64", "complex128"] = "complex128"
    initial_parameters: dict[str, float] = Field(default_factory=dict)
    regularization: Annotated[float, Field(gt=0)] = 1.0
    sweep: Sweep | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class SubmitTraining(Model):
    """The body of `POST /v1/jobs`: a training of a stored circuit, or of a template.

    Attributes:
        name: of the model that comes out; another version, where the organisation has one of this name.
        budget_limit: what the job may cost, in dollars, in place of the ceiling that Ketbase would choose.
    """

    circuit_id: str | None = None
    template: Template | None = None
    name: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    config: TrainingOptions
    priority: Priority = Priority.NORMAL
    budget_limit: Annotated[Money, AfterValidator(positive)] | None = None

    @model_validator(mode="after")
    def _one_circuit(self) -> Self:
        if (self.circuit_id is None) == (self.template is None):
            raise ValueError("give either circuit_id, of a stored circuit, or template")
        return self


class TrainingConfig(TrainingOptions):
    """What the job keeps.

    Attributes:
        name: of the model.
        model_id: of the model that will come out, so that a repeated step makes no second one.
        budget_limit: the user's own ceiling, beyond which the job asks for no more.
    """

    template: Template | None = None
    name: str
    model_id: str
    budget_limit: Money | None = None


class EpochReport(Model):
    """One epoch.

    Attributes:
        number: from 1.
        loss: on the training part, averaged while it was gone through.
        accuracy: likewise.
        val_loss: after it; `None` without a validation part.
        seconds: of compute.
    """

    number: int
    loss: float
    accuracy: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    learning_rate: float
    seconds: float
    circuits: int = 0
    shots: int = 0


class Trial(Model):
    """One of the trainings of a sweep, or the only one.

    Attributes:
        number: from 0.
        changed: what it does in another way than the job's configuration.
        fold: which part is left out for validation, from 0.
    """

    number: int
    changed: dict[str, Any] = Field(default_factory=dict)
    fold: int | None = None


class TrialReference(JobReference):
    """What the workflow gives the step that trains.

    Attributes:
        trial: its number.
        ended: how the process ended that was at it before, where it did not end by itself.
    """

    trial: int
    ended: StepFailure | None = None

    @property
    def reference(self) -> JobReference:
        """The job alone."""
        return JobReference(organization_id=self.organization_id, job_id=self.job_id)


class TrialResult(Trial):
    """How a trial ended."""

    epochs: int
    best_epoch: int
    stopped_by: StopReason
    loss: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    seconds: float


class Problem(Model):
    """A training made ready: what its steps share beside the arrays.

    Attributes:
        definition: the circuit, features and trainable parameters still free.
        features: the parameters that data fills in, in the order of the preprocessed columns; empty with
            `amplitude_encoding`, where the amplitudes are the data.
        data: what was found.
        trials: what is to be trained.
    """

    definition: CircuitDefinition
    features: tuple[str, ...]
    amplitude_encoding: bool = False
    data: DataSummary
    trials: tuple[Trial, ...]


class TrainingResult(Model):
    """The result of a training."""

    job_id: str
    model_id: str
    model_version: str
    circuit_id: str | None
    config: TrainingConfig
    data: DataSummary
    metrics: dict[str, Metrics]
    baselines: dict[str, Metrics]
    history: tuple[EpochReport, ...]
    trials: tuple[TrialResult, ...]
    best_trial: int
    stopped_by: StopReason
    n_parameters: int
    sdk: dict[str, str]
    calibration_id: str | None = None
    completed_at: Moment
