"""Takes trainings in."""

from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller
from ketbase.backends.service import Backends
from ketbase.backends.types import BackendInfo
from ketbase.circuits.service import Circuits
from ketbase.circuits.types import Circuit
from ketbase.costs.quotes import EXECUTE_S, Quote, Quotes
from ketbase.datasets.catalog import Known, known
from ketbase.datasets.parts import PartSizes, part_sizes
from ketbase.datasets.service import Datasets
from ketbase.datasets.types import Dataset
from ketbase.errors import InvalidCircuitError, InvalidError
from ketbase.ids import new_id
from ketbase.jobs.types import Submission
from ketbase.run.service import check_allowed
from ketbase.steps.intake import Intake, fingerprint_of
from ketbase.training.checks import Fit, check
from ketbase.training.circuits import computed_exactly
from ketbase.training.estimates import Subject, training_work
from ketbase.training.sweeps import applied, trials
from ketbase.training.types import SubmitTraining, TrainingConfig, TrainingOptions

MAX_SECONDS = 86_400.0
"""All epochs of a training together."""
MAX_CONFIG = 100_000
"""Bytes of a configuration as JSON; a record of DynamoDB holds 400 KB."""
DOUBT = 3.0
"""How many times a limit an estimate must be for a training to be refused: it errs by a factor of three."""
_UNSAID = 1_000
"""Samples of data of which nothing is known before it is read."""
_IMAGES = 60_000
"""In the training part of a data set in IDX form."""
_LONGEST_NAME = 255


class Trainings:
    """Submission of trainings."""

    def __init__(
        self,
        accounts: AccountStore,
        circuits: Circuits,
        datasets: Datasets,
        backends: Backends,
        quotes: Quotes,
        intake: Intake,
    ):
        self._accounts = accounts
        self._circuits = circuits
        self._datasets = datasets
        self._backends = backends
        self._quotes = quotes
        self._intake = intake

    def submit(self, caller: Caller, body: SubmitTraining, idempotency_key: str | None) -> Submission:
        """Queue a training, with its ceiling reserved. The job keeps its own copy of the circuit.

        Raises:
            NotFoundError: `CIRCUIT_NOT_FOUND`, `BACKEND_NOT_FOUND`, `DATASET_NOT_FOUND`.
            ForbiddenError: `BACKEND_NOT_ALLOWED`, `HARDWARE_NOT_ENABLED`, by the organisation's settings.
            InvalidError: circuit, data and configuration do not fit; `CONFIG_TOO_LARGE`, `INVALID_DATA`,
                `REMOTE_TRAINING`, `BUDGET_LIMIT_TOO_LOW`, `TOO_LONG_TO_TRAIN`.
            InvalidCircuitError: the circuit cannot be trained, or does not fit the backend.
            ConflictError: `DATASET_NOT_UPLOADED`, `IDEMPOTENCY_KEY_REUSED`.
            BudgetError: `BUDGET_EXCEEDED`, `JOBS_PAUSED`.
        """
        fingerprint = fingerprint_of(body.circuit_id, body)
        job = self._intake.earlier(caller, idempotency_key, fingerprint)
        if job is None:
            circuit = None if body.circuit_id is None else self._circuits.get(caller, body.circuit_id)
            config = _config(circuit, body)
            _check_size(config)
            backend = self._backends.info(config.backend)
            job = self._intake.take(
                caller,
                "training",
                circuit,
                backend.id,
                config,
                self._quoted(caller, circuit, backend, config),
                priority=body.priority,
                idempotency_key=idempotency_key,
                fingerprint=fingerprint,
            )
        return self._intake.answer(job)

    def _quoted(
        self, caller: Caller, circuit: Circuit | None, backend: BackendInfo, config: TrainingConfig
    ) -> Quote:
        """Refuse what is known to fail, and price the rest."""
        organization = self._accounts.organization(caller.organization_id)
        if organization is not None:
            check_allowed(organization.settings, backend)
        dataset = self._dataset(caller, config)
        definition = None if circuit is None else circuit.circuit_definition
        if dataset is None:
            fits = check(config, definition)
        else:
            fits = check(config, definition, dataset.n_features, dataset.classes or None)
        subjects = tuple(
            Subject(applied(config, trial.changed), fit.definition)
            for trial, fit in zip(trials(config), fits, strict=True)
        )
        for subject, fit in zip(subjects, fits, strict=True):
            _check_backend(subject.config, fit, backend)
        n_columns = max(fit.n_columns for fit in fits)
        work = training_work(subjects, _sizes(config, dataset), n_columns, backend)
        for number, trial in enumerate(work.trials):
            if trial.epoch_s > DOUBT * EXECUTE_S:
                raise _too_long(f"An epoch of trial {number} is", trial.epoch_s, EXECUTE_S)
        if work.seconds > DOUBT * MAX_SECONDS:
            raise _too_long("All epochs together are", work.seconds, MAX_SECONDS)
        return self._quotes.training(backend, work, config.budget_limit)

    def _dataset(self, caller: Caller, config: TrainingConfig) -> Dataset | None:
        """Give the upload that is trained on; what a check told of it counts where the labels are the same."""
        spec = config.dataset
        if spec.type != "upload" or spec.dataset_id is None:
            return None
        dataset = self._datasets.usable(caller, spec.dataset_id, spec.label)
        if dataset.status == "ready" and dataset.label == spec.label:
            return dataset
        return dataset.model_copy(update={"n_features": None, "classes": (), "counts": ()})


def _config(circuit: Circuit | None, body: SubmitTraining) -> TrainingConfig:
    named = circuit.name if circuit is not None else body.template.ansatz if body.template is not None else ""
    return TrainingConfig(
        **body.config.model_dump(include=set(TrainingOptions.model_fields)),
        template=body.template,
        name=body.name or f"{named}, trained on {body.config.dataset.type}"[-_LONGEST_NAME:],
        model_id=new_id("model"),
        budget_limit=body.budget_limit,
    )


def _check_size(config: TrainingConfig) -> None:
    """Hold a configuration to what a job's record has room for."""
    size = len(config.model_dump_json().encode())
    if size > MAX_CONFIG:
        raise InvalidError(
            "CONFIG_TOO_LARGE",
            f"The configuration is {size:,} bytes of JSON; up to {MAX_CONFIG:,} are taken. Fewer values of a sweep "
            "or fewer initial_parameters, make it smaller.",
            field="config",
            given=size,
            limit=MAX_CONFIG,
        )


def _check_backend(config: TrainingConfig, fit: Fit, backend: BackendInfo) -> None:
    can, shots = backend.capabilities, config.shots
    if backend.is_remote:
        raise InvalidError(
            "REMOTE_TRAINING",
            f"{backend.id} is not trained on: train on a simulator, or on a simulated device with its noise and "
            "with shots, and run the trained circuit there.",
            field="config.backend",
            backend=backend.id,
        )
    if shots is not None and shots > can.max_shots:
        raise InvalidError(
            "TOO_MANY_SHOTS",
            f"{backend.id} runs at most {can.max_shots} shots, {shots} were asked for.",
            field="config.shots",
            limit=can.max_shots,
        )
    widest = fit.definition.n_qubits
    if widest > can.max_qubits:
        raise InvalidCircuitError(
            "TOO_MANY_QUBITS",
            f"{backend.id} has {can.max_qubits} qubits, the circuit needs {widest}.",
            limit=can.max_qubits,
            n_qubits=widest,
        )
    if computed_exactly(backend, shots):
        return
    refused = [
        what
        for what, asked in (
            ("A kernel", config.method == "kernel"),
            ("Amplitude encoding", fit.amplitudes),
            ("The optimizer qng", config.optimizer == "qng"),
            ("The gradient adjoint", config.gradient == "adjoint"),
        )
        if asked
    ]
    if refused:
        raise InvalidError(
            "NOT_WITH_SHOTS",
            f"{refused[0]} is computed exactly only: ask for no shots, on a simulator without noise.",
            field="config.backend",
        )


def _sizes(config: TrainingConfig, dataset: Dataset | None) -> PartSizes:
    """Foresee how the data will be divided; exactly, where all is known of it."""
    spec, facts = config.dataset, known(config.dataset)
    if facts is None and dataset is not None and dataset.counts:
        facts = Known(dataset.classes, dataset.counts, dataset.n_features or 0)
    if facts is not None and facts.counts is not None:
        wanted = set(spec.classes or facts.classes)
        counted = zip(facts.classes, facts.counts, strict=True)
        return part_sizes(spec, sum(count for label, count in counted if label in wanted))
    if spec.type == "parity":
        return part_sizes(spec, spec.n_samples)
    n_samples = (dataset and dataset.n_samples) or _UNSAID
    if facts is not None:
        n_samples = round(_IMAGES * len(spec.classes or facts.classes) / len(facts.classes))
    train = spec.train_size or n_samples
    return PartSizes(train, spec.val_size or train // 4, spec.test_size or train // 4)


def _too_long(what: str, expected: float, limit: float) -> InvalidError:
    return InvalidError(
        "TOO_LONG_TO_TRAIN",
        f"{what} expected to take {expected:,.0f} s, and there are {limit:,.0f} s. Fewer samples "
        "(dataset.train_size), qubits or layers take less.",
        field="config",
        expected_s=round(expected),
        limit_s=round(limit),
    )
