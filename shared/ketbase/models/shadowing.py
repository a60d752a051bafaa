"""Lets a second model answer unseen beside the first, and compares the two."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ketbase.accounts.types import Caller
from ketbase.errors import NotFoundError
from ketbase.models import layout, metrics
from ketbase.models.histogram import quantile
from ketbase.models.registry import Registry
from ketbase.models.types import Estimate, ModelEntry, ServedSide, ShadowReport
from ketbase.money import Money
from ketbase.ports.inference import Scores
from ketbase.ports.records import Records, Update

_BILLIONTHS = 1_000_000_000
_Z = 1.959963984540054
"""Of a 95 % interval."""


class Answered(NamedTuple):
    """How a model answered one request."""

    scores: Scores
    seconds: float
    cost: Money


def compared(organization_id: str, first: ModelEntry, second: ModelEntry, one: Answered, other: Answered) -> Update:
    """Make the write that adds a request to a comparison."""
    assert second.deployment is not None  # noqa: S101 (only deployed models answer)
    place = {label: number for number, label in enumerate(first.classes)}
    counted: dict[str, int] = {"requests": 1, "predictions": len(one.scores.classes)}
    for own, theirs in zip(one.scores.classes, other.scores.classes, strict=True):
        cell = f"taken_{own}_{place[second.classes[theirs]]}"
        counted[cell] = counted.get(cell, 0) + 1
    for side, answered in (("first", one), ("second", other)):
        surest = (max(row) for row in answered.scores.probabilities)
        counted[f"{side}_confidence"] = round(sum(surest) * _BILLIONTHS)
        counted[f"{side}_cost"] = answered.cost.nano
        counted |= metrics.latency(answered.seconds, f"{side}_")
    where = layout.compared(organization_id, second.id, second.deployment.id)
    return Update(where, set={"first": first.id}, add=counted)


def unanswered(organization_id: str, first: ModelEntry, second: ModelEntry) -> Update:
    """Make the write that counts a request that the second model could not answer."""
    assert second.deployment is not None  # noqa: S101 (see above)
    where = layout.compared(organization_id, second.id, second.deployment.id)
    return Update(where, set={"first": first.id}, add={"errors": 1})


class Comparisons:
    """The comparisons of the caller's organisation."""

    def __init__(self, records: Records, registry: Registry):
        self._records = records
        self._registry = registry

    def report(self, caller: Caller, model_id: str) -> ShadowReport:
        """Compare a model with the one that answers beside it, or beside which it answers.

        Raises:
            NotFoundError: `MODEL_NOT_FOUND`; `NO_SHADOW`, no model answers beside it.
        """
        organization_id = caller.organization_id
        asked = self._registry.entry(organization_id, model_id)
        second = asked if asked.shadowed_by is None else self._registry.entry(organization_id, asked.shadowed_by)
        if second.deployment is None or second.deployment.shadow_of is None:
            raise NotFoundError(
                "NO_SHADOW",
                f"No model answers beside {asked.name} {asked.version}; deploy one with shadow_of.",
                model_id=model_id,
            )
        first = self._registry.entry(organization_id, second.deployment.shadow_of)
        item = self._records.get(layout.compared(organization_id, second.id, second.deployment.id))
        return _report(first, second, {} if item is None else item.values)


def _report(first: ModelEntry, second: ModelEntry, counted: Mapping[str, Any]) -> ShadowReport:
    assert second.deployment is not None  # noqa: S101 (see above)
    size = range(len(first.classes))
    confusion = tuple(tuple(int(counted.get(f"taken_{i}_{j}", 0)) for j in size) for i in size)
    predictions = int(counted.get("predictions", 0))
    one, other = _side(first, "first", counted), _side(second, "second", counted)
    return ShadowReport(
        deployment_id=second.deployment.id,
        classes=first.classes,
        requests=int(counted.get("requests", 0)),
        predictions=predictions,
        errors=int(counted.get("errors", 0)),
        agreement=_share(sum(confusion[k][k] for k in size), predictions) if predictions else None,
        confusion=confusion,
        confidence_difference=other.avg_confidence - one.avg_confidence,
        first=one,
        second=other,
    )


def _side(entry: ModelEntry, side: str, counted: Mapping[str, Any]) -> ServedSide:
    latencies = metrics.bins([counted], f"{side}_")
    requests, predictions = max(latencies.total(), 1), max(int(counted.get("predictions", 0)), 1)
    return ServedSide(
        model_id=entry.id,
        version=entry.version,
        avg_latency_ms=counted.get(f"{side}_latency_us", 0) / requests / 1_000,
        p50_latency_ms=quantile(latencies, 0.5) or 0.0,
        p95_latency_ms=quantile(latencies, 0.95) or 0.0,
        cost=Money(int(counted.get(f"{side}_cost", 0))),
        avg_confidence=counted.get(f"{side}_confidence", 0) / predictions / _BILLIONTHS,
    )


def _share(hits: int, count: int) -> Estimate:
    """Give a share with Wilson's interval (doi:10.1080/01621459.1927.10502953)."""
    share, squared = hits / count, _Z**2
    middle = (share + squared / (2 * count)) / (1 + squared / count)
    half = _Z / (1 + squared / count) * math.sqrt(share * (1 - share) / count + squared / (4 * count**2))
    return Estimate(value=share, low=max(middle - half, 0.0), high=min(middle + half, 1.0))
