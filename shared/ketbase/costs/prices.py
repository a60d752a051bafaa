"""The table of prices: what a function's second, a workflow's step and a backend's circuit cost."""

import json
from collections.abc import Callable, Mapping
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

type Rate = Callable[[float], Money]
"""What some seconds of computing cost."""

LEAST_BATCH_S = 60.0
"""A container is billed for at least so many seconds."""

_MS_PER_S = 1_000
_S_PER_HOUR = 3_600
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
        vcpu_hours: per hour of a container's vCPU.
        gb_hours: per hour of a gigabyte of a container's memory.
        gpu_hours: per hour of a machine with a GPU.
        backends: the price of a backend goes before the price of its type; that of simulators is of our own.
    """

    currency: str = "USD"
    compute: Tariff
    requests: Tariff
    transitions: Tariff
    vcpu_hours: Tariff
    gb_hours: Tariff
    gpu_hours: Tariff
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

    def batch(self, seconds: float, vcpus: int, memory_mb: int) -> Money:
        """Price a container's time; a second once begun counts whole, a minute is the least, as at Fargate."""
        table = self.table
        hourly = vcpus * table.vcpu_hours.price + Decimal(memory_mb) / _MB_PER_GB * table.gb_hours.price
        return _hours(seconds, hourly)

    def gpu(self, seconds: float) -> Money:
        """Price the time of a machine with a GPU; a second once begun counts whole, and a minute is the least."""
        return _hours(seconds, self.table.gpu_hours.price)

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


def _hours(seconds: float, hourly: Decimal) -> Money:
    whole = Decimal(str(max(seconds, LEAST_BATCH_S))).to_integral_value(ROUND_CEILING)
    return Money.at_least(whole * hourly / _S_PER_HOUR)


def _merged(listed: list[Mapping[str, Any]], own: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Put each of an installation's prices in the place of ours for the same thing."""
    return list({(price.get("backend"), price.get("type")): price for price in [*listed, *own]}.values())
