"""Answers predictions: one conditional write each, which charges, counts, and holds only while the model is served.

Nothing is read where the process has seen the model and the payer before. What is kept in memory is never trusted:
the write checks the model's revision and the accounts' limits, and where it does not hold, all is read again. A
process that dies after the write was charged rightly; one that dies before it has answered nothing.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller
from ketbase.backends.service import Backends
from ketbase.backends.types import BackendInfo
from ketbase.costs.prices import Prices
from ketbase.errors import ConflictError, KetbaseError
from ketbase.ledger.till import Bill, Till
from ketbase.ledger.types import PREDICTIONS, Charge
from ketbase.models import layout, metrics, shadowing
from ketbase.models.loaded import LoadedModels
from ketbase.models.pricing import PredictionPrices
from ketbase.models.registry import Registry, busy
from ketbase.models.shadowing import Answered
from ketbase.models.types import ModelEntry, Predict, Prediction, Predictions, PredictOptions
from ketbase.ports.clock import Clock
from ketbase.ports.records import Check, ConditionFailedError, Equals, Key, Records, Write
from ketbase.run.service import check_allowed

_LOG = logging.getLogger(__name__)

_TRIES = 5
_MOST_KNOWN = 1_000

type Later = Callable[[Callable[[], None]], None]
"""Takes what is to be done once the answer is on its way, or when there is time."""


class _Where(NamedTuple):
    """Where a prediction's circuits run."""

    backend: BackendInfo
    shots: int | None

    @property
    def at_once(self) -> bool:
        """Whether it is computed exactly, in milliseconds."""
        return self.backend.type == "simulator" and self.shots is None


class Serving:
    """The deployed models."""

    def __init__(
        self,
        records: Records,
        registry: Registry,
        loaded: LoadedModels,
        till: Till,
        backends: Backends,
        accounts: AccountStore,
        prediction_prices: PredictionPrices,
        prices: Prices,
        clock: Clock,
    ):
        self._records = records
        self._registry = registry
        self._loaded = loaded
        self._till = till
        self._backends = backends
        self._accounts = accounts
        self._prediction_prices = prediction_prices
        self._prices = prices
        self._clock = clock
        self._entries: dict[tuple[str, str], ModelEntry] = {}

    def prepare(self, organization_id: str, model_id: str) -> None:
        """Load a model, so that its first request finds it ready."""
        self._loaded.get(organization_id, self._entry(organization_id, model_id))

    def predict(self, caller: Caller, model_id: str, body: Predict, later: Later) -> Predictions:
        """Classify samples, charge for it, and let the model that answers unseen beside this one do it too.

        Raises:
            NotFoundError: `MODEL_NOT_FOUND`, `BACKEND_NOT_FOUND`.
            ConflictError: `MODEL_NOT_DEPLOYED`, `MODEL_RETIRED`, `MODEL_BUSY`.
            InvalidError: `WRONG_WIDTH`, `INVALID_INPUT`, `UNSUPPORTED_BACKEND`, `TOO_MANY_SAMPLES`.
            ForbiddenError: `BACKEND_NOT_ALLOWED`, `HARDWARE_NOT_ENABLED`.
            BudgetError: `BUDGET_EXCEEDED`, `JOBS_PAUSED`; nothing is told of what was computed.
            UnavailableError: `ARTIFACT_DAMAGED`.
        """
        organization_id = caller.organization_id
        for _ in range(_TRIES):
            started = time.perf_counter()
            entry = self._entry(organization_id, model_id)
            _refuse_not_served(entry)
            try:
                where = self._where(caller, entry, body)
                begun = time.perf_counter()
                computed = self._compute(caller, entry, body, where, started)
                self._charge(caller, entry, where, computed)
            except ConditionFailedError:
                # It was changed since this process read it.
                self._forget(organization_id, model_id)
                continue
            except KetbaseError:
                self._count_failed(caller, entry)
                raise
            answered = computed[0]
            if entry.shadowed_by is not None:
                later(partial(self._shadow, caller, entry, entry.shadowed_by, body, answered))
            return _said(entry, answered, (started + answered.seconds - begun) * 1_000)
        raise busy(model_id)

    # --- What a process knows ---

    def _entry(self, organization_id: str, model_id: str) -> ModelEntry:
        found = self._entries.get((organization_id, model_id))
        # Only what is served is believed: the write that charges holds to its revision.
        if found is None or found.status != "deployed":
            found = self._registry.entry(organization_id, model_id)
            if len(self._entries) >= _MOST_KNOWN:
                self._entries.clear()
            self._entries[organization_id, model_id] = found
        return found

    def _forget(self, organization_id: str, model_id: str) -> None:
        self._entries.pop((organization_id, model_id), None)

    # --- One request ---

    def _where(self, caller: Caller, entry: ModelEntry, body: Predict) -> _Where:
        deployment = entry.deployment
        assert deployment is not None  # noqa: S101 (only deployed models answer)
        backend, shots = body.options.backend or deployment.backend, body.options.shots or deployment.shots
        info = self._backends.info(backend)
        if backend != deployment.backend:
            organization = self._accounts.organization(caller.organization_id)
            if organization is not None:
                check_allowed(organization.settings, info)
        return _Where(info, shots)

    def _compute(
        self, caller: Caller, entry: ModelEntry, body: Predict, where: _Where, started: float
    ) -> tuple[Answered, Charge]:
        """Classify, and price all of the time since `started`."""
        if not where.at_once:
            self._till.check(_bill(caller, entry, where.backend), entry.cost_per_prediction)
        predictor = self._loaded.get(caller.organization_id, entry)
        scores = predictor.predict(body.inputs, where.backend, where.shots, body.options.seed)
        provider = self._prices.backend(where.backend, scores.circuits, scores.shots) if scores.circuits else None
        seconds = time.perf_counter() - started
        charge = self._prediction_prices.charge(
            seconds, circuits=scores.circuits, shots=scores.shots, provider=provider
        )
        return Answered(scores, seconds, charge.amount), charge

    def _charge(
        self,
        caller: Caller,
        entry: ModelEntry,
        where: _Where,
        computed: tuple[Answered, Charge],
        *beside: Write,
    ) -> None:
        """Charge and count, while the model is what it was.

        Raises:
            ConditionFailedError: it is not.
        """
        answered, charge = computed
        counted = metrics.answered(
            self._today(caller, entry), answered.seconds, len(answered.scores.classes), answered.cost
        )
        bill = _bill(caller, entry, where.backend)
        self._till.charge(bill, charge, _unchanged(caller, entry), counted, *beside)

    def _count_failed(self, caller: Caller, entry: ModelEntry) -> None:
        with suppress(ConditionFailedError):
            self._records.write(_unchanged(caller, entry), metrics.failed(self._today(caller, entry)))

    def _today(self, caller: Caller, entry: ModelEntry) -> Key:
        return layout.served(caller.organization_id, entry.id, f"{self._clock.now():%Y-%m-%d}")

    # --- Unseen ---

    def _shadow(self, caller: Caller, first: ModelEntry, second_id: str, body: Predict, answered: Answered) -> None:
        """Let another model answer the same request; whatever goes wrong, nobody is told but the comparison."""
        organization_id = caller.organization_id
        try:
            for _ in range(_TRIES):
                second = self._entry(organization_id, second_id)
                deployment = second.deployment
                if second.status != "deployed" or deployment is None or deployment.shadow_of != first.id:
                    return
                try:
                    self._answer_unseen(caller, first, second, body, answered)
                except ConditionFailedError:
                    self._forget(organization_id, second_id)
                else:
                    return
        except Exception:  # noqa: BLE001 (see above)
            _LOG.exception("%s did not answer beside %s", second_id, first.id)

    def _answer_unseen(
        self, caller: Caller, first: ModelEntry, second: ModelEntry, body: Predict, answered: Answered
    ) -> None:
        own = body.model_copy(update={"options": PredictOptions(seed=body.options.seed)})
        try:
            where = self._where(caller, second, own)
            computed = self._compute(caller, second, own, where, time.perf_counter())
            told = shadowing.compared(caller.organization_id, first, second, answered, computed[0])
            self._charge(caller, second, where, computed, told)
        except ConditionFailedError:
            raise
        except Exception:
            failed = shadowing.unanswered(caller.organization_id, first, second)
            self._records.write(_unchanged(caller, second), failed)
            raise


def _unchanged(caller: Caller, entry: ModelEntry) -> Check:
    return Check(layout.place(caller.organization_id, entry.id), (Equals("revision", entry.revision),))


def _bill(caller: Caller, entry: ModelEntry, backend: BackendInfo) -> Bill:
    return Bill(
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        key_id=caller.key_id,
        thing=entry.id,
        event_type=PREDICTIONS,
        backend=backend.id,
        what="This prediction costs",
    )


def _refuse_not_served(entry: ModelEntry) -> None:
    if entry.status == "retired":
        raise ConflictError(
            "MODEL_RETIRED",
            f"{entry.name} {entry.version} is retired; deploy it again, or another version.",
            model_id=entry.id,
        )
    if entry.status != "deployed":
        raise ConflictError(
            "MODEL_NOT_DEPLOYED",
            f"{entry.name} {entry.version} is not in service; POST /v1/models/{entry.id}/deploy puts it there.",
            model_id=entry.id,
        )


def _said(entry: ModelEntry, answered: Answered, inference_ms: float) -> Predictions:
    scores = answered.scores
    rows = zip(scores.classes, scores.probabilities, strict=True)
    return Predictions(
        predictions=tuple(
            Prediction(class_=entry.classes[number], confidence=row[number], probabilities=tuple(row))
            for number, row in rows
        ),
        inference_time_ms=round(inference_ms, 3),
        cost=answered.cost,
    )
