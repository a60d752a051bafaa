"""How long the steps of a run are expected to take.

The constants are fitted to `benchmarks/estimates.py`, on two cores: over its spread of circuits nine predictions in
ten are within a factor of three of what is measured. The worst are circuits that a device has to route over many
more qubits than they have (up to thirty times slower than predicted). Starting is not predicted: a function that
was just started takes up to two seconds more, which are not charged, and the first circuit of a process on `qsim`
or `lightning` two or three, which are. No GPU was ever measured: `cuquantum` is predicted to take as long as Aer's
statevector does on two cores.
"""

import math

from ketbase.backends.circuit_count import CircuitCount
from ketbase.backends.types import BackendInfo, Engine
from ketbase.circuits.types import Circuit
from ketbase.costs.memory import TRIAL_BOND, amplitudes_mb, density_mb, may_be_tried, tensor_mb
from ketbase.costs.shapes import Shape, shape_of
from ketbase.costs.statevectors import lightning_seconds, qsim_seconds
from ketbase.types import Model

OVERHEAD_S = 0.05
"""What each step takes to read what it needs and write what it made."""

# Seconds. Compiling: at least, per gate, and per gate on two qubits that a device has to route.
_COMPILE, _COMPILE_GATE = 0.002, 7e-5
_PLACE, _PLACE_GATE, _ROUTE_GATE = 0.02, 1.2e-4, 5e-4
# A gate of each further circuit of a run: it is made from the first, written and read again.
_COPY_GATE = 4e-6
# Native gates that one gate becomes on a device, on one qubit and on two.
_NATIVE_SINGLE, _NATIVE_DOUBLE = 3, 10
# Executing: at least; building the noise of one qubit, and using it again for another circuit; and one shot of a
# state that is there.
_EXECUTE, _NOISE_QUBIT, _NOISE_AGAIN, _SHOT = 0.005, 0.02, 0.003, 1.5e-6
# A gate at least, and for each of 2ⁿ amplitudes: once for all shots, and where each shot is simulated by itself.
_GATE, _AMPLITUDE = 7e-5, 2.2e-9
_REPEATED_GATE, _REPEATED_AMPLITUDE = 2e-6, 3.3e-9
# A gate for each of 4ⁿ elements of a density matrix.
_DENSITY_GATE, _DENSITY_ELEMENT = 5e-5, 2.2e-9
# A gate on a matrix product state of bond dimension b, by b³; and a shot of it for each qubit, by b².
_TENSOR_GATE, _TENSOR_ELEMENT = 7e-5, 5e-10
_TENSOR_SHOT, _TENSOR_SHOT_ELEMENT = 2.5e-6, 2.4e-9
# A gate on a stabilizer state; and a shot of it, by n² and n³.
_CLIFFORD_GATE, _CLIFFORD_SHOT_2, _CLIFFORD_SHOT_3 = 3e-5, 2.2e-8, 9.8e-11
# Writing the count of one outcome.
_OUTCOME = 4e-6

_MOST_BITS = 60
"""Beyond this no exponent matters: the simulation does not fit into any memory."""


ONE = CircuitCount()


class StepSeconds(Model):
    """Seconds that each step of a run is expected to take."""

    compile: float
    execute: float
    collect: float


def expected_seconds(
    circuit: Circuit | Shape,
    backend: BackendInfo,
    shots: int,
    count: CircuitCount = ONE,
    max_memory_mb: float = math.inf,
) -> StepSeconds:
    """Predict how long a run takes.

    Args:
        circuit: what is to run, or its shape.
        backend: where; the time on a provider's own machine is not ours, and counts nothing.
        shots: how often each circuit is run.
        count: of the circuits that are made of this one; it is compiled once.
        max_memory_mb: what a simulation may use: a faster method that needs more is none.
    """
    shape = circuit if isinstance(circuit, Shape) else shape_of(circuit)
    scaled = _scaled(shape, count)
    outcomes = count.total * min(shots, 2 ** min(shape.n_qubits, _MOST_BITS)) * _OUTCOME
    copying = (count.total - 1) * _COPY_GATE * (scaled.gates if backend.type == "simulator" else _native(scaled))
    if backend.type == "simulator":
        compiling = _COMPILE + shape.gates * _COMPILE_GATE
        executing = count.total * _simulating(scaled, backend.engine, shots, max_memory_mb)
    else:
        compiling = _PLACE + shape.gates * _PLACE_GATE + shape.two_qubit_gates * _ROUTE_GATE
        executing = 0.0
        if backend.type == "simulated_device":
            # Noise is built for each set of instructions: parameters and folds change nothing of that.
            built = count.bases + count.calibrations
            noise = (built * _NOISE_QUBIT + (count.total - built) * _NOISE_AGAIN) * shape.n_qubits
            executing = noise + count.total * _noisy(scaled, shots, max_memory_mb)
    if backend.is_remote:
        executing = 0.0
    return StepSeconds(
        compile=OVERHEAD_S + compiling + copying,
        execute=OVERHEAD_S + executing + outcomes,
        collect=OVERHEAD_S + outcomes,
    )


def _scaled(shape: Shape, count: CircuitCount) -> Shape:
    """The circuit with its two-qubit gates folded as often as they are on average."""
    more = round(shape.two_qubit_gates * (count.mean_scale - 1))
    return shape.model_copy(update={"gates": shape.gates + more, "two_qubit_gates": shape.two_qubit_gates + more})


def _simulating(shape: Shape, engine: Engine, shots: int, max_memory_mb: float) -> float:
    match engine:
        case "aer":
            return _ideal(shape, shots, max_memory_mb)
        case "cuquantum":
            return _EXECUTE + _statevector(shape, shots)
        case "qsim":
            return qsim_seconds(shape, shots)
        case "lightning":
            return lightning_seconds(shape, shots)
        case "ionq" | "ibm" | "braket":
            return 0.0


def _ideal(shape: Shape, shots: int, max_memory_mb: float) -> float:
    n, gates = shape.n_qubits, shape.gates
    if shape.clifford:
        runs = shots if shape.repeats else 1
        per_shot = _CLIFFORD_SHOT_2 * n**2 + _CLIFFORD_SHOT_3 * n**3
        return _EXECUTE + runs * gates * _CLIFFORD_GATE + shots * per_shot
    if shape.repeats:
        return _EXECUTE + shots * _fastest(shape, max_memory_mb, _repeated(n, gates), _tensor(shape, gates))
    bond = _power(shape.entangled_bits)
    tensor = _tensor(shape, gates) + shots * n * (_TENSOR_SHOT + _TENSOR_SHOT_ELEMENT * bond**2)
    return _EXECUTE + _fastest(shape, max_memory_mb, _statevector(shape, shots), tensor)


def _fastest(shape: Shape, max_memory_mb: float, statevector: float, tensor: float) -> float:
    """Take the faster of two methods that fit, or the matrix product state that is tried where none surely does."""
    times = ((amplitudes_mb(shape.n_qubits), statevector), (_tensor_mb(shape), tensor))
    fitting = [seconds for megabytes, seconds in times if megabytes <= max_memory_mb]
    if not fitting and may_be_tried(shape):
        return shape.gates * (_TENSOR_GATE + _TENSOR_ELEMENT * TRIAL_BOND**3)
    return min(fitting or (statevector, tensor))


def _tensor_mb(shape: Shape) -> float:
    return tensor_mb(shape.n_qubits, _power(shape.entangled_bits))


def _statevector(shape: Shape, shots: int) -> float:
    if shape.repeats:
        return shots * _repeated(shape.n_qubits, shape.gates)
    return shape.gates * (_GATE + _AMPLITUDE * _power(shape.n_qubits)) + shots * _SHOT


def _noisy(shape: Shape, shots: int, max_memory_mb: float) -> float:
    n, gates = shape.n_qubits, _native(shape)
    each_shot = shots * _fastest(shape, max_memory_mb, _repeated(n, gates), _tensor(shape, gates))
    once = gates * (_DENSITY_GATE + _DENSITY_ELEMENT * _power(n) ** 2) + shots * _SHOT
    as_density = not shape.repeats and density_mb(n) <= max_memory_mb
    return _EXECUTE + (min(once, each_shot) if as_density else each_shot)


def _native(shape: Shape) -> int:
    return _NATIVE_SINGLE * (shape.gates - shape.two_qubit_gates) + _NATIVE_DOUBLE * shape.two_qubit_gates


def _repeated(n: int, gates: int) -> float:
    return gates * (_REPEATED_GATE + _REPEATED_AMPLITUDE * _power(n))


def _tensor(shape: Shape, gates: int) -> float:
    return gates * (_TENSOR_GATE + _TENSOR_ELEMENT * _power(shape.entangled_bits) ** 3)


def _power(bits: int) -> float:
    return 2.0 ** min(bits, _MOST_BITS)
