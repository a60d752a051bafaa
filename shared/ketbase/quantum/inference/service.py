"""The port `Inference`."""

from collections.abc import Callable
from typing import Literal

from ketbase.models.types import ModelSpec
from ketbase.ports.quantum import QuantumProvider
from ketbase.quantum.inference import arrays as numbers
from ketbase.quantum.inference.predictor import QuantumPredictor


class QuantumInference:
    """Loads models on the batched engine."""

    def __init__(self, provider: Callable[[], QuantumProvider]):
        """Wire it; `provider` is only asked for where noise is simulated: it is slow to import."""
        self._provider = provider

    def load(self, spec: ModelSpec, arrays: bytes) -> QuantumPredictor:
        """Make a model ready; see the port."""
        return QuantumPredictor(spec, numbers.read(arrays), self._provider)

    def export(
        self, spec: ModelSpec, arrays: bytes, form: Literal["qasm3", "qiskit", "pennylane", "onnx"]
    ) -> bytes:
        """Write a model for others; see the port."""
        # Writers import SDKs that no prediction needs.
        from ketbase.quantum.inference.exports import written

        return written(spec, numbers.read(arrays), form)
