"""What a prediction costs: the function's time and its call, and what a simulated device's provider asks."""

from ketbase.costs.prices import Prices
from ketbase.ledger.types import Charge
from ketbase.models.types import ModelSpec
from ketbase.money import Money

_LEAST_S = 0.002
"""What one sample takes beside its circuit, in seconds: preprocessing, reading out, and the books."""
_GATE_S, _AMPLITUDE_S = 2e-7, 2e-9
"""A gate at least, and for each amplitude; measured by `make bench-predict`."""


class PredictionPrices:
    """Prices of the function that predicts."""

    def __init__(self, prices: Prices, memory_mb: int):
        """Wire it; `memory_mb` is the function's."""
        self._prices = prices
        self._memory_mb = memory_mb

    def expected(self, spec: ModelSpec) -> Money:
        """Say what one sample is expected to cost, computed exactly."""
        definition = spec.definition
        seconds = _LEAST_S + definition.gate_count * (_GATE_S + _AMPLITUDE_S * 2**definition.n_qubits)
        return self.charge(seconds).amount

    def charge(self, seconds: float, *, circuits: int = 0, shots: int = 0, provider: Money | None = None) -> Charge:
        """Price a request.

        Args:
            seconds: how long it took.
            circuits: that it executed.
            shots: of all of them together.
            provider: what the provider asks for them.
        """
        amount = self._prices.compute(seconds, self._memory_mb) + self._prices.requests(1) + (provider or Money())
        return Charge(amount=amount, circuits=circuits, shots=shots, compute_ms=round(seconds * 1_000))
