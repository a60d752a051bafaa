"""How long the steps of a run are expected to take.

The constants are fitted to `benchmarks/estimates.py`, on two cores: over its spread of circuits nine predictions in
ten are within a factor of three of what is measured. The worst are circuits that a device has to route over many
more qubits than they have (up to thirty times slower than predicted). A function that was just started takes up to
two seconds more; that is not predicted, and not charged.
"""

from ketbase.backends.types import BackendInfo
from ketbase.circuits.types import Circuit
from ketbase.costs.shapes import Shape, shape_of
from ketbase.types import Model

OVERHEAD_S = 0.05
"""What each step takes to read what it needs and write what it made."""

# Seconds. Compiling: at least, per gate, and per gate on two qubits that a device has to route.
_COMPILE, _COMPILE_GATE = 0.002, 7e-5
_PLACE, _PLACE_GATE, _ROUTE_GATE = 0.02, 1.2e-4, 5e-4
# Native gates that one gate becomes on a device, on one qubit and on two.
_NATIVE_SINGLE, _NATIVE_DOUBLE = 3, 10
# Executing: at least; building the noise of one qubit; and one shot of a state that is there.
_EXECUTE, _NOISE_QUBIT, _SHOT = 0.005, 0.02, 1.5e-6
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


class StepSeconds(Model):
    """Seconds that each step of a run is expected to take."""

    compile: float
    execute: float
    collect: float


def expected_seconds(circuit: Circuit | Shape, backend: BackendInfo, shots: int) -> StepSeconds:
    """Predict how long a run takes.

    Args:
        circuit: what is to run, or its shape.
        backend: where; the time on a provider's own machine is not ours, and counts nothing.
        shots: how often.
    """
    shape = circuit if isinstance(circuit, Shape) else shape_of(circuit)
    outcomes = min(shots, 2 ** min(shape.n_qubits, _MOST_BITS)) * _OUTCOME
    if backend.type == "simulator":
        compiling, executing = _COMPILE + shape.gates * _COMPILE_GATE, _ideal(shape, shots)
    else:
        compiling = _PLACE + shape.gates * _PLACE_GATE + shape.two_qubit_gates * _ROUTE_GATE
        executing = _noisy(shape, shots) if backend.type == "simulated_device" else 0.0
    return StepSeconds(
        compile=OVERHEAD_S + compiling,
        execute=OVERHEAD_S + executing + outcomes,
        collect=OVERHEAD_S + outcomes,
    )


def _ideal(shape: Shape, shots: int) -> float:
    n, gates = shape.n_qubits, shape.gates
    if shape.clifford:
        runs = shots if shape.repeats else 1
        per_shot = _CLIFFORD_SHOT_2 * n**2 + _CLIFFORD_SHOT_3 * n**3
        return _EXECUTE + runs * gates * _CLIFFORD_GATE + shots * per_shot
    if shape.repeats:
        return _EXECUTE + shots * min(_repeated(n, gates), _tensor(shape, gates))
    statevector = gates * (_GATE + _AMPLITUDE * _power(n)) + shots * _SHOT
    bond = _power(shape.entangled_bits)
    tensor = _tensor(shape, gates) + shots * n * (_TENSOR_SHOT + _TENSOR_SHOT_ELEMENT * bond**2)
    return _EXECUTE + min(statevector, tensor)


def _noisy(shape: Shape, shots: int) -> float:
    n = shape.n_qubits
    gates = _NATIVE_SINGLE * (shape.gates - shape.two_qubit_gates) + _NATIVE_DOUBLE * shape.two_qubit_gates
    each_shot = shots * min(_repeated(n, gates), _tensor(shape, gates))
    once = gates * (_DENSITY_GATE + _DENSITY_ELEMENT * _power(n) ** 2) + shots * _SHOT
    return _EXECUTE + _NOISE_QUBIT * n + (each_shot if shape.repeats else min(once, each_shot))


def _repeated(n: int, gates: int) -> float:
    return gates * (_REPEATED_GATE + _REPEATED_AMPLITUDE * _power(n))


def _tensor(shape: Shape, gates: int) -> float:
    return gates * (_TENSOR_GATE + _TENSOR_ELEMENT * _power(shape.entangled_bits) ** 3)


def _power(bits: int) -> float:
    return 2.0 ** min(bits, _MOST_BITS)
