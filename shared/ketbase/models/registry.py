"""Keeps an organisation's models: versions of a name, where they come from, and the files they are made of."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ketbase.accounts.types import Caller
from ketbase.audit.lines import line, system_line
from ketbase.circuits.types import CircuitDefinition
from ketbase.datasets.types import DataSummary
from ketbase.errors import ConflictError, NotFoundError, UnavailableError
from ketbase.models import layout
from ketbase.models.pricing import PredictionPrices
from ketbase.models.store import Details, ModelStore
from ketbase.models.types import (
    Artifact,
    Lineage,
    Metrics,
    ModelEntry,
    ModelRecord,
    ModelSpec,
    ModelStatus,
    ModelSummary,
)
from ketbase.money import Money
from ketbase.paging import PageRequest, Slice, take
from ketbase.ports.clock import Clock
from ketbase.ports.training import Finished
from ketbase.training.types import EpochReport
from ketbase.version import VERSION


class Trained(NamedTuple):
    """What a finished training hands to the registry.

    Attributes:
        model_id: made when the training was submitted, so that a repeated step makes no second model.
        circuit_id: of a stored circuit; `None` for a template.
        config: of the job, as JSON.
        training_cost: of the job until now.
    """

    model_id: str
    user_id: str
    name: str
    job_id: str
    circuit_id: str | None
    finished: Finished
    data: DataSummary
    history: tuple[EpochReport, ...]
    config: Mapping[str, Any]
    training_cost: Money


class LoadedArtifact(NamedTuple):
    """The files of a model, checked."""

    spec: ModelSpec
    arrays: bytes


class Registry:
    """The models."""

    def __init__(self, store: ModelStore, prices: PredictionPrices, clock: Clock):
        self._store = store
        self._prices = prices
        self._clock = clock

    def add(self, organization_id: str, trained: Trained) -> ModelEntry:
        """Keep a trained model under the next version of its name; once only, however often it is asked."""
        finished = trained.finished
        files = dict(zip(layout.FILES, (finished.spec.model_dump_json().encode(), finished.arrays), strict=True))
        sha256 = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        shown = next(finished.metrics[part] for part in _SHOWN if part in finished.metrics)
        entry = ModelEntry(
            id=trained.model_id,
            user_id=trained.user_id,
            name=trained.name,
            version="",
            status="registered",
            method="kernel" if finished.spec.head.readout == "kernel" else "variational",
            n_qubits=finished.spec.definition.n_qubits,
            n_parameters=finished.n_parameters,
            classes=finished.spec.classes,
            metrics=_in_brief(shown),
            circuit_id=trained.circuit_id,
            training_job_id=trained.job_id,
            created_at=self._clock.now(),
            artifact=Artifact(sha256=sha256, size_bytes=sum(map(len, files.values()))),
            training_cost=trained.training_cost,
            cost_per_prediction=self._prices.expected(finished.spec),
        )
        details = Details(
            evaluation=finished.metrics,
            baselines=finished.baselines,
            lineage=Lineage(
                job_id=trained.job_id,
                circuit_id=trained.circuit_id,
                circuit_sha256=circuit_sha256(finished.spec.definition),
                data=trained.data,
                code_version=VERSION,
                sdk=finished.sdk,
            ),
            config=dict(trained.config),
            history=trained.history,
        )
        told = system_line(
            self._clock, organization_id, "model.registered", entry.id, name=entry.name, job_id=trained.job_id
        )
        return self._store.add(organization_id, entry, details, files, told)

    def list(
        self, caller: Caller, status: ModelStatus | None, name: str | None, request: PageRequest
    ) -> Slice[ModelSummary]:
        """List the models, of one status and one name where these are given, in order of creation."""
        walk = self._store.walk(
            caller.organization_id, status, name, after=request.cursor, descending=request.descending
        )
        return take(walk, request, self._store.count(caller.organization_id, status, name))

    def get(self, caller: Caller, model_id: str) -> ModelRecord:
        """Read a model, whole.

        Raises:
            NotFoundError: `MODEL_NOT_FOUND`.
        """
        record, _ = self.with_history(caller, model_id)
        return record

    def with_history(self, caller: Caller, model_id: str) -> tuple[ModelRecord, tuple[EpochReport, ...]]:
        """Read a model, whole, and the epochs of its training.

        Raises:
            NotFoundError: `MODEL_NOT_FOUND`.
        """
        entry = self.entry(caller.organization_id, model_id)
        details = self._store.details(caller.organization_id, model_id)
        if details is None:
            raise not_found(model_id)
        own = {name: getattr(entry, name) for name in ModelRecord.model_fields if hasattr(entry, name)}
        beside = {name: getattr(details, name) for name in ("evaluation", "baselines", "lineage", "config")}
        return ModelRecord(**own, **beside), details.history

    def entry(self, organization_id: str, model_id: str) -> ModelEntry:
        """Read what the records hold of a model.

        Raises:
            NotFoundError: `MODEL_NOT_FOUND`.
        """
        entry = self._store.entry(organization_id, model_id)
        if entry is None:
            raise not_found(model_id)
        return entry

    def artifact(self, organization_id: str, entry: ModelEntry) -> LoadedArtifact:
        """Read a model's files, and check that they are those that were registered.

        Raises:
            NotFoundError: `MODEL_NOT_FOUND`, it was deleted meanwhile.
            UnavailableError: `ARTIFACT_DAMAGED`.
        """
        spec, arrays = (self._file(organization_id, entry, name) for name in layout.FILES)
        return LoadedArtifact(ModelSpec.model_validate_json(spec), arrays)

    def delete(self, caller: Caller, model_id: str) -> None:
        """Take a model away; its version is not given again.

        Raises:
            NotFoundError: `MODEL_NOT_FOUND`.
            ConflictError: `MODEL_DEPLOYED`, retire it first; `MODEL_BUSY`, somebody changed it meanwhile.
        """
        entry = self.entry(caller.organization_id, model_id)
        if entry.status in ("deploying", "deployed"):
            raise ConflictError(
                "MODEL_DEPLOYED",
                f"{entry.name} {entry.version} is deployed; retire it (POST /v1/models/{model_id}/retire) first.",
                model_id=model_id,
                status=entry.status,
            )
        told = line(self._clock, caller, "model.deleted", model_id, name=entry.name, version=entry.version)
        if not self._store.remove(caller.organization_id, entry, told):
            raise busy(model_id)

    def _file(self, organization_id: str, entry: ModelEntry, name: str) -> bytes:
        data = self._store.file(organization_id, entry.id, name)
        if data is None:
            raise not_found(entry.id)
        if hashlib.sha256(data).hexdigest() != entry.artifact.sha256[name]:
            raise UnavailableError(
                "ARTIFACT_DAMAGED",
                f"{name} of {entry.name} {entry.version} is not what was registered; train it again, or restore "
                "the file from a backup.",
                model_id=entry.id,
                file=name,
            )
        return data


_SHOWN = ("test", "validation", "train")
"""The part of the data that a list's metrics are of: the first of these that there is."""


def _in_brief(metrics: Metrics) -> dict[str, float]:
    return {name: getattr(metrics, name).value for name in ("accuracy", "f1", "loss")}


def circuit_sha256(definition: CircuitDefinition) -> str:
    """Name a circuit by its content."""
    text = json.dumps(definition.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def not_found(model_id: str) -> NotFoundError:
    """Return the error of a model that is not there, or another organisation's."""
    return NotFoundError("MODEL_NOT_FOUND", f"There is no model {model_id!r}.", model_id=model_id)


def busy(model_id: str) -> ConflictError:
    """Return the error of a model that others change at the same moment."""
    return ConflictError(
        "MODEL_BUSY", "The model was changed by others at the same moment; try again.", model_id=model_id
    )
