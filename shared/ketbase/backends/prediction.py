"""How well a circuit is expected to do on a backend, by its size alone: a first look before it is compiled."""

import math

from ketbase.backends.types import BackendInfo
from ketbase.costs.shapes import Shape

_ROUTING = 2.0
"""How many gates on two qubits a device runs for each of the circuit's, swaps included, as a rule."""
_NATIVE_SINGLE = 3.0
"""How many of its own gates a device runs for one gate on one qubit."""


def predicted_success(shape: Shape, backend: BackendInfo) -> float:
    """Predict the probability that no error happens, by the medians of the backend's calibration.

    Only the order of backends is to be trusted. A simulator does not err.
    """
    calibration = backend.calibration
    if calibration is None:
        return 1.0 if backend.type == "simulator" else 0.0
    errors = (
        (calibration.median_two_qubit_error, shape.two_qubit_gates * _ROUTING),
        (calibration.median_single_qubit_error, (shape.gates - shape.two_qubit_gates) * _NATIVE_SINGLE),
        (calibration.median_readout_error, shape.n_qubits),
    )
    return math.exp(sum(times * math.log1p(-min(error, 0.999)) for error, times in errors))
