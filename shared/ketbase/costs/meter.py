"""Measures what a pipeline step uses, and says how long it may go on."""

import math
import time

from ketbase.costs.prices import Prices, Rate
from ketbase.ledger.types import Charge
from ketbase.money import Money

_SAMPLE_S = 1_000.0


class Meter:
    """The price of a step's time in one function, or in a container.

    A step costs its seconds at the function's memory, one call, and one transition of the workflow. Starting the
    function and a step that died before it could report are not charged.
    """

    def __init__(self, prices: Prices, memory_mb: int, rate: Rate | None = None):
        """Wire a meter.

        Args:
            prices: the table.
            memory_mb: of the function.
            rate: what time costs where it is no function's.
        """
        self._prices = prices
        self._rate: Rate = rate or (lambda seconds: prices.compute(seconds, memory_mb))

    def start(self) -> "Measurement":
        """Begin to measure a step."""
        return Measurement(self)

    def charge(self, seconds: float, *, circuits: int = 0, shots: int = 0, provider: Money | None = None) -> Charge:
        """Price a step.

        Args:
            seconds: how long it took.
            circuits: how many it executed.
            shots: how many it took.
            provider: what the provider asks for them.
        """
        amount = self._rate(seconds) + self.per_step + (provider or Money())
        return Charge(amount=amount, circuits=circuits, shots=shots, compute_ms=round(seconds * 1_000))

    def time(self, seconds: float) -> Money:
        """Price time alone."""
        return self._rate(seconds)

    @property
    def per_step(self) -> Money:
        """What a step costs beside its time."""
        return self._prices.requests(1) + self._prices.transitions(1)

    @property
    def least(self) -> Money:
        """What time costs at least, however short it is."""
        return self._rate(0.0)

    def seconds_for(self, money: Money) -> float:
        """Say how long a step may take for some money, in seconds; for ever, where time costs nothing."""
        price = self._rate(_SAMPLE_S)
        left = (money - self.per_step).nano
        if left <= 0 or self.least.nano > left:
            return 0.0
        return _SAMPLE_S * left / price.nano if price else math.inf


class Measurement:
    """One step that is being measured."""

    def __init__(self, meter: Meter):
        self._meter = meter
        self._started = time.perf_counter()

    def charge(self, *, circuits: int = 0, shots: int = 0, provider: Money | None = None) -> Charge:
        """Price the step until now; see `Meter.charge`."""
        seconds = time.perf_counter() - self._started
        return self._meter.charge(seconds, circuits=circuits, shots=shots, provider=provider)
