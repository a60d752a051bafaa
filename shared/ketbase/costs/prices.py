"""The table of prices: what a function's second, a workflow's step and a backend's circuit cost."""

import json
from collections.abc import Mapping
from datetime import date
from decimal import ROUND_CEILING, Decimal
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PlainSerializer, model_validator

from ketbase.backends.types import BackendInfo, BackendType
from ketbase.money import Money
from ketbase.types import Model

TABLE = "prices.json"
"""The list prices; an installation's own file names only what differs from them."""

_MS_PER_S = 1_000
_MB_PER_GB = 1_024


class Tariff(Model):
    """The price of one unit of something.

    Attributes:
        price: US dollars; it may be finer than a nano-dollar.
        source: where the figure comes from.
        as_of: on which day it was so.
    """

    price: Annotated[Decimal, Field(ge=0), PlainSerializer(lambda price: f"{price:f}", return_type=str)]
    unit: str
    source: str
    as_of: date


class BackendPrice(Model):
    """What a provider asks, beside the compute, for a run on a backend, or on all backends of one type.

    Attributes:
        minimum: the least that one job costs.
    """

    backend: str | None = None
    type: BackendType | None = None
    per_circuit: Money = Money()
    per_shot: Money = Money()
    minimum: Money = Money()
    source: str
    as_of: date

    @model_validator(mode="after")
    def _of_one_thing(self) -> Self:
        if (self.backend is None) == (self.type is None):
            raise ValueError("a price is of one backend or of one type of backend")
        if min(self.per_circuit, self.per_shot, self.minimum) < Money():
            raise ValueError("a price is not negative")
        return self

    def of(self, circuits: int, shots: int) -> Money:
        """Price a job of `circuits` circuits with `shots` shots in all."""
        return max(self.minimum, self.per_circuit * circuits + self.per_shot * shots)


class PriceTable(Model):
    """All prices.

    Attributes:
        compute: per GB-second of a function.
        requests: per call of a function.
        transitions: per state transition of a workflow.
        backends: the price of a backend goes before the price of its type; that of simulators is of our own.
    """

    currency: str = "USD"
    compute: Tariff
    requests: Tariff
    transitions: Tariff
    backends: tuple[BackendPrice, ...]


class Prices:
    """Turns amounts of work into money, always rounded up."""

    def __init__(self, table: PriceTable):
        self.table = table
        self._by_backend = {price.backend: price for price in table.backends if price.backend is not None}
        self._by_type = {price.type: price for price in table.backends if price.type is not None}

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the list prices, and over them an installation's own.

        Args:
            path: a file in the form of `prices.json` with the prices that differ, or `None`.

        Raises:
            ValueError: a file is not in that form.
        """
        table = json.loads(files(__package__).joinpath(TABLE).read_bytes())
        if path is not None:
            own = json.loads(path.read_bytes())
            table |= own | {"backends": _merged(table["backends"], own.get("backends", ()))}
        return cls(PriceTable.model_validate(table))

    def compute(self, seconds: float, memory_mb: int) -> Money:
        """Price a function's time; a millisecond once begun counts whole, as AWS counts it."""
        milliseconds = (Decimal(str(seconds)) * _MS_PER_S).to_integral_value(ROUND_CEILING)
        gb_seconds = milliseconds * memory_mb / (_MS_PER_S * _MB_PER_GB)
        return Money.at_least(gb_seconds * self.table.compute.price)

    def requests(self, n: int) -> Money:
        """Price calls of functions."""
        return Money.at_least(n * self.table.requests.price)

    def transitions(self, n: int) -> Money:
        """Price state transitions."""
        return Money.at_least(n * self.table.transitions.price)

    def backend(self, backend: BackendInfo, circuits: int, shots: int) -> Money | None:
        """Price what a provider asks for a job.

        Args:
            backend: where it runs.
            circuits: how many circuits the job runs.
            shots: of all its circuits together.

        Returns:
            `None` where no price is known.
        """
        # What our own simulators cost says nothing of a provider's.
        by_type = None if backend.is_remote and backend.type != "hardware" else self._by_type.get(backend.type)
        price = self._by_backend.get(backend.id) or by_type
        return None if price is None else price.of(circuits, shots)


def _merged(listed: list[Mapping[str, Any]], own: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Put each of an installation's prices in the place of ours for the same thing."""
    return list({(price.get("backend"), price.get("type")): price for price in [*listed, *own]}.values())
