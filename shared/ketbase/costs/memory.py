"""How much memory the simulation of a circuit takes by each method, in megabytes of 10⁶ bytes."""

import math

from ketbase.backends.types import BackendInfo, Engine
from ketbase.costs.shapes import Shape

MAX_TRIAL_QUBITS = 32
"""A circuit with more qubits may be tried as a matrix product state even where no bound promises that it fits."""
TRIAL_BOND = 32
"""The bond dimension at which such a trial is given up."""
BYTES_PER_AMPLITUDE: dict[Engine, int] = {"qsim": 8, "lightning": 24, "cuquantum": 16}
"""What a state takes: a complex number of single or of double precision; Lightning's probabilities come on top."""

_COMPLEX = 16
_MEGABYTE = 1_000_000
_SMALLEST_BOND = 2


def amplitudes_mb(n_qubits: int, each: int = _COMPLEX) -> float:
    """Return what 2ⁿ amplitudes take, of so many bytes each."""
    return each * 2.0**n_qubits / _MEGABYTE


def density_mb(n_qubits: int) -> float:
    """Return what a density matrix of 4ⁿ elements takes."""
    return amplitudes_mb(n_qubits) * 2.0**n_qubits


def stabilizer_mb(n_qubits: int) -> float:
    """Return what a stabilizer tableau takes: two bits for each pair of qubits."""
    return n_qubits**2 / 4 / _MEGABYTE


def tensor_mb(n_qubits: int, bond: float) -> float:
    """Return what a matrix product state takes whose bonds all have one dimension; Aer holds about three."""
    return 3 * n_qubits * 2 * _COMPLEX * bond**2 / _MEGABYTE


def largest_bond(n_qubits: int, max_memory_mb: float) -> int:
    """Return the bond dimension at which a matrix product state still fits."""
    return int(math.sqrt(max_memory_mb / tensor_mb(n_qubits, 1)))


def may_be_tried(shape: Shape) -> bool:
    """Whether an ideal simulation is tried as a matrix product state though no bound promises that it fits."""
    return shape.n_qubits > MAX_TRIAL_QUBITS and not shape.repeats


def least_mb(shape: Shape, backend: BackendInfo) -> float:
    """Return what the leanest method takes that `backend` has for a circuit of this shape.

    On a simulated device it is a guess, for the qubits are placed and routed first.
    """
    if backend.is_remote:
        return 0.0
    n = shape.n_qubits
    if backend.engine in BYTES_PER_AMPLITUDE:
        return amplitudes_mb(n, BYTES_PER_AMPLITUDE[backend.engine])
    if backend.type == "simulator" and shape.clifford:
        return stabilizer_mb(n)
    bits = min(shape.entangled_bits, n // 2)
    if backend.type == "simulator" and may_be_tried(shape):
        bits = min(bits, _SMALLEST_BOND - 1)
    return min(amplitudes_mb(n), tensor_mb(n, 2.0**bits))
