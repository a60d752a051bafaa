"""Models, their metrics and deployments, as they are stored and as they go over the wire."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from ketbase.circuits.types import CircuitDefinition
from ketbase.datasets.types import DataSummary, Label
from ketbase.money import Money
from ketbase.types import Model, Moment

MAX_PREDICTIONS = 1_000
"""Of one request."""

type ModelStatus = Literal["registered", "deploying", "deployed", "retired"]


class Estimate(Model):
    """A figure with its 95 % confidence interval."""

    value: float
    low: float
    high: float


class ReliabilityBin(Model):
    """The samples of which the model was about so sure, and how often it was right."""

    confidence: float
    accuracy: float
    count: int


class Metrics(Model):
    """How well a classifier does on some samples.

    Attributes:
        accuracy: with Wilson's interval.
        f1: averaged over classes, each counting the same; its interval from a bootstrap.
        loss: averaged over samples; its interval from a bootstrap.
        confusion: row: the class it is; column: the one it was taken for.
        calibration_error: expected calibration error over ten bins of confidence.
        reliability: these bins, without the empty ones.
    """

    n_samples: int
    accuracy: Estimate
    f1: Estimate
    loss: Estimate
    confusion: tuple[tuple[int, ...], ...]
    calibration_error: float
    reliability: tuple[ReliabilityBin, ...]


class Lineage(Model):
    """Where a model comes from.

    Attributes:
        circuit_sha256: of the circuit's definition as JSON with sorted keys.
        code_version: Ketbase's.
        sdk: versions of the libraries that trained it.
    """

    job_id: str
    circuit_id: str | None
    circuit_sha256: str
    data: DataSummary
    code_version: str
    sdk: dict[str, str]


class Artifact(Model):
    """The files of a model: `model.json` says how, `arrays.npz` holds the numbers.

    Attributes:
        sha256: of each file, by name.
        size_bytes: together.
    """

    sha256: dict[str, str]
    size_bytes: int


class Head(Model):
    """How a model's outputs become classes; see `ketbase.training.types.TrainingOptions`."""

    readout: Literal["expectation", "probabilities", "kernel"]
    loss: Literal["cross_entropy", "mse"]
    scale: float


class ModelSpec(Model):
    """`model.json`: all of a trained model but its arrays.

    The arrays of `arrays.npz`, in double precision: `mean` and `std` of the raw features; with principal components
    `components`, shape (n_components, n_raw), and `center`, which is subtracted first; `low` and `high`, by which
    each column is brought into [0, π] for rotations (nothing is clipped); `parameters` in the order of `parameters`
    here; for a kernel `support`, shape (n_support, n_columns), `dual`, shape (n_classes·(n_classes-1)/2,
    n_support), and `intercept`.

    Attributes:
        columns: names of the raw features, in the order in which predictions give them.
        features: the circuit's parameters that the preprocessed columns fill in.
        parameters: names of the trained ones.
    """

    format: Literal[1] = 1
    definition: CircuitDefinition
    features: tuple[str, ...]
    parameters: tuple[str, ...]
    amplitude_encoding: bool = False
    columns: tuple[str, ...]
    classes: tuple[Label, ...]
    head: Head
    precision: Literal["complex64", "complex128"] = "complex128"


class Deployment(Model):
    """A model that is served.

    Attributes:
        backend: where circuits run, if a prediction does not say; computed exactly on a simulator without `shots`.
        replicas: functions kept warm for it, in the cloud.
        shadow_of: the deployed model beside which this one answers unseen, to be compared.
    """

    id: str
    model_id: str
    status: Literal["deploying", "deployed", "retired"]
    endpoint: str
    backend: str
    shots: int | None = None
    replicas: int
    shadow_of: str | None = None
    created_at: Moment


class ModelSummary(Model):
    """A model in a list.

    Attributes:
        version: `1.0.0` for the first of its name, `2.0.0` for the next.
        metrics: accuracy, F1 and loss on the test part, or on the validation part where there is none.
    """

    id: str
    user_id: str
    name: str
    version: str
    status: ModelStatus
    method: Literal["variational", "kernel"]
    n_qubits: int
    n_parameters: int
    classes: tuple[Label, ...]
    metrics: dict[str, float]
    circuit_id: str | None
    training_job_id: str
    created_at: Moment
    deployed_at: Moment | None = None


class ModelRecord(ModelSummary):
    """A model, whole.

    Attributes:
        training_cost: of the job that trained it.
        cost_per_prediction: expected, of one sample.
    """

    evaluation: dict[str, Metrics]
    baselines: dict[str, Metrics]
    lineage: Lineage
    artifact: Artifact
    deployment: Deployment | None = None
    training_cost: Money
    cost_per_prediction: Money
    config: dict[str, Any]


class ModelEntry(ModelSummary):
    """What the records hold of a model: what a prediction has to know.

    Attributes:
        revision: counts changes, so that none is made of what was read too early.
        shadowed_by: the model that answers unseen beside this one.
    """

    artifact: Artifact
    deployment: Deployment | None = None
    training_cost: Money
    cost_per_prediction: Money
    revision: int = 1
    shadowed_by: str | None = None


class PredictOptions(Model):
    """Where and how a prediction's circuits run; the deployment says, where this does not."""

    backend: str | None = None
    shots: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None


class Predict(Model):
    """The body of `POST /v1/models/{id}/predict`: raw features, a row for each sample."""

    inputs: Annotated[tuple[tuple[float, ...], ...], Field(min_length=1, max_length=MAX_PREDICTIONS)]
    options: PredictOptions = PredictOptions()


class Prediction(Model):
    """What a model says of one sample."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    class_: Annotated[Label, Field(alias="class")]
    confidence: float
    probabilities: tuple[float, ...]


class Predictions(Model):
    """The answer to a prediction."""

    predictions: tuple[Prediction, ...]
    inference_time_ms: float
    cost: Money


class DeployModel(Model):
    """The body of `POST /v1/models/{id}/deploy`.

    Attributes:
        replicas: functions kept warm for it, in the cloud, as far as the installation allows them.
    """

    backend: str = "aer"
    shots: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    replicas: Annotated[int, Field(ge=0, le=10)] = 0
    shadow_of: str | None = None


class ServingMetrics(Model):
    """How a model was served, day by day, the latest last."""

    window: str
    days: tuple[str, ...]
    requests_per_day: tuple[int, ...]
    predictions_per_day: tuple[int, ...]
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    p99_latency_ms: float | None
    avg_latency_ms: float | None
    error_rate: float
    cost_per_day: tuple[Money, ...]


class Deployed(Model):
    """The answer to a deployment.

    Attributes:
        status: `deploying` while functions for it are still being warmed; it answers already, only slower.
        eta_seconds: until they are warm.
    """

    deployment_id: str
    model_id: str
    endpoint: str
    status: Literal["deploying", "deployed"]
    replicas: int
    shadow_of: str | None = None
    eta_seconds: int


class ServedSide(Model):
    """How one of two models did in a comparison.

    Attributes:
        avg_confidence: in the class that it names.
    """

    model_id: str
    version: str
    avg_latency_ms: float
    p50_latency_ms: float
    p95_latency_ms: float
    cost: Money
    avg_confidence: float


class ShadowReport(Model):
    """A model that answers unseen, compared with the one whose answers are given.

    Attributes:
        requests: that both answered.
        predictions: in them.
        errors: requests that the second could not answer, or had no money for; nobody was told.
        agreement: the share of predictions of the same class, with Wilson's interval; `None` before the first.
        confusion: row: the class the first names; column: the one the second names; in the order of `classes`.
        confidence_difference: how much surer the second is, on average.
    """

    deployment_id: str
    classes: tuple[Label, ...]
    requests: int
    predictions: int
    errors: int
    agreement: Estimate | None
    confusion: tuple[tuple[int, ...], ...]
    confidence_difference: float
    first: ServedSide
    second: ServedSide
