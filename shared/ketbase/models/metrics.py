"""How a model is served: counted with each request, and added up when somebody asks."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from ketbase.accounts.types import Caller
from ketbase.errors import InvalidError
from ketbase.models import layout
from ketbase.models.histogram import bin_of, quantile
from ketbase.models.registry import Registry
from ketbase.models.types import ServingMetrics
from ketbase.money import Money
from ketbase.ports.clock import Clock
from ketbase.ports.records import Key, Records, Update

MAX_DAYS = 90
_WINDOW = re.compile(r"^([1-9]\d?)d$")
_BIN = "bin_"


def answered(place: Key, seconds: float, predictions: int, cost: Money) -> Update:
    """Make the write that counts a request that was answered."""
    counted = {"requests": 1, "predictions": predictions, "cost": cost.nano, **latency(seconds)}
    return Update(place, add=counted)


def failed(place: Key) -> Update:
    """Make the write that counts a request that was not answered."""
    return Update(place, add={"requests": 1, "errors": 1})


def latency(seconds: float, prefix: str = "") -> dict[str, int]:
    """Name the counters of a latency."""
    return {f"{prefix}latency_us": round(seconds * 1e6), f"{prefix}{_BIN}{bin_of(seconds)}": 1}


def bins(items: Iterable[Mapping[str, Any]], prefix: str = "") -> Counter[int]:
    """Add up the histograms of some items."""
    found: Counter[int] = Counter()
    for values in items:
        for name, count in values.items():
            if name.startswith(f"{prefix}{_BIN}"):
                found[int(name.removeprefix(f"{prefix}{_BIN}"))] += count
    return found


class Observations:
    """What was counted of the models of the caller's organisation."""

    def __init__(self, records: Records, registry: Registry, clock: Clock):
        self._records = records
        self._registry = registry
        self._clock = clock

    def metrics(self, caller: Caller, model_id: str, window: str) -> ServingMetrics:
        """Add up some days (UTC), today the last.

        Raises:
            NotFoundError: `MODEL_NOT_FOUND`.
            InvalidError: `INVALID_WINDOW`.
        """
        found = _WINDOW.match(window)
        if found is None or int(found[1]) > MAX_DAYS:
            raise InvalidError(
                "INVALID_WINDOW",
                f"A window is a number of days up to {MAX_DAYS}, such as 7d.",
                field="window",
                given=window,
            )
        self._registry.entry(caller.organization_id, model_id)
        today = self._clock.now().date()
        days = [str(today - timedelta(days=back)) for back in reversed(range(int(found[1])))]
        places = [layout.served(caller.organization_id, model_id, day) for day in days]
        items = {item.key: item.values for item in self._records.get_many(places)}
        counted = [items.get(place, {}) for place in places]

        def each(name: str) -> list[int]:
            return [int(values.get(name, 0)) for values in counted]

        latencies = bins(counted)
        requests, errors = sum(each("requests")), sum(each("errors"))
        timed = latencies.total()
        return ServingMetrics(
            window=window,
            days=tuple(days),
            requests_per_day=tuple(each("requests")),
            predictions_per_day=tuple(each("predictions")),
            p50_latency_ms=quantile(latencies, 0.50),
            p95_latency_ms=quantile(latencies, 0.95),
            p99_latency_ms=quantile(latencies, 0.99),
            avg_latency_ms=sum(each("latency_us")) / timed / 1_000 if timed else None,
            error_rate=errors / requests if requests else 0.0,
            cost_per_day=tuple(Money(nano) for nano in each("cost")),
        )
