"""Model cards: what a model is, how well it does beside classical ones, and what it costs."""

from ketbase.accounts.types import Caller
from ketbase.models.registry import Registry
from ketbase.models.store import ModelStore
from ketbase.models.types import ModelRecord, ModelSummary
from ketbase.ports.clock import Clock
from ketbase.training.types import EpochReport
from ketbase.types import Model, Moment

MAX_VERSIONS = 100
_NAMES = {"logistic_regression": "logistic regression", "rbf_svm": "a support vector machine (RBF)"}


class Baseline(Model):
    """A classical model on the same features.

    Attributes:
        accuracy_difference: of the quantum model's accuracy above this one's; below 0, this one wins.
        verdict: the same in words.
    """

    name: str
    accuracy_difference: float
    verdict: str


class ModelCard(Model):
    """A model for people.

    Attributes:
        measured_on: the part of the data that the verdicts are about.
        versions: of the same name, the latest first.
    """

    model: ModelRecord
    measured_on: str
    baselines: tuple[Baseline, ...]
    history: tuple[EpochReport, ...]
    versions: tuple[ModelSummary, ...]
    created_at: Moment


class Cards:
    """The cards of the caller's organisation."""

    def __init__(self, store: ModelStore, registry: Registry, clock: Clock):
        self._store = store
        self._registry = registry
        self._clock = clock

    def card(self, caller: Caller, model_id: str) -> ModelCard:
        """Write a model's card.

        Raises:
            NotFoundError: `MODEL_NOT_FOUND`.
        """
        record, history = self._registry.with_history(caller, model_id)
        versions = self._store.walk(caller.organization_id, None, record.name, after=None, descending=True)
        part = next(part for part in ("test", "validation", "train") if part in record.evaluation)
        return ModelCard(
            model=record,
            measured_on=part,
            baselines=tuple(_compared(record, part, name) for name in record.baselines),
            history=history,
            versions=tuple(each for each, _ in zip(versions, range(MAX_VERSIONS), strict=False)),
            created_at=self._clock.now(),
        )


def _compared(record: ModelRecord, part: str, name: str) -> Baseline:
    own, other = record.evaluation[part].accuracy, record.baselines[name].accuracy
    difference = own.value - other.value
    called = _NAMES.get(name, name)
    overlap = own.low <= other.high and other.low <= own.high
    sure = "; the intervals overlap, so that chance may have decided" if overlap and difference else ""
    figures = f"{own.value:.1%} to {other.value:.1%} of the {part} part{sure}"
    if difference > 0:
        verdict = f"The quantum model beats {called}: {figures}."
    elif difference < 0:
        verdict = f"{called[0].upper()}{called[1:]} beats the quantum model: {figures}. It is cheaper, too."
    else:
        verdict = f"The quantum model does as well as {called}: {own.value:.1%} of the {part} part."
    return Baseline(name=name, accuracy_difference=difference, verdict=verdict)
