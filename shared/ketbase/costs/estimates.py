"""How long the steps of a run are expected to take."""

from ketbase.backends.types import BackendInfo
from ketbase.circuits.types import Circuit
from ketbase.types import Model


class StepSeconds(Model):
    """Seconds that each step of a run is expected to take."""

    compile: float
    execute: float
    collect: float


def expected_seconds(circuit: Circuit, backend: BackendInfo, shots: int) -> StepSeconds:
    """Predict how long a run takes."""
    gates, noisy = circuit.gate_count, backend.type == "simulated_device"
    compile_s = 0.05 + gates * (1e-3 if noisy else 2e-4)
    return StepSeconds(compile=compile_s, execute=0.05 + gates * 1e-3 + shots * 1e-5, collect=0.05)
