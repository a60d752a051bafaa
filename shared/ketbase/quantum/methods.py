"""The choice of a simulation method: exact first, then what fits into memory, then what is fastest."""

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from qiskit.circuit import Barrier, ControlFlowOp, QuantumCircuit

from ketbase.costs.memory import (
    MAX_TRIAL_QUBITS,
    TRIAL_BOND,
    amplitudes_mb,
    density_mb,
    largest_bond,
    stabilizer_mb,
    tensor_mb,
)
from ketbase.errors import ExecutionError
from ketbase.quantum.describe import steps
from ketbase.quantum.programs import quarter_turns

type Name = Literal["stabilizer", "statevector", "density_matrix", "matrix_product_state"]

_CLIFFORD = frozenset(
    {"id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap", "ecr"}
    | {"measure", "reset", "barrier", "delay"}
    | {"if_else", "for_loop", "while_loop", "switch_case", "break_loop", "continue_loop"}
)
# Seconds, measured with Aer 0.18 on two cores of a current laptop; only their order matters.
_PER_GATE = 0.5e-6
_PER_AMPLITUDE = 10e-9
_PER_DENSITY_ELEMENT = 1.2e-9
_PER_TENSOR_GATE = 70e-6
_PER_TENSOR_ELEMENT = 2e-9
_PER_TENSOR_SHOT = 2.5e-6
_PER_TENSOR_SHOT_ELEMENT = 2.4e-9


class Method(NamedTuple):
    """A way to simulate a circuit.

    Attributes:
        name: as Aer calls it.
        megabytes: what the state takes.
        seconds: a rough estimate of the time.
        bond: the bond dimension at which to give up, for a trial.
    """

    name: Name
    megabytes: float
    seconds: float = 0.0
    bond: int | None = None


def choose(circuit: QuantumCircuit, *, shots: int, noisy: bool, max_memory_mb: int) -> Method:
    """Choose how to simulate a circuit on active qubits only.

    Clifford circuits without noise go to the stabilizer method (the noise of a device holds thermal relaxation,
    which is no Pauli channel). Of the other methods, all exact, the fastest that fits into memory.

    Raises:
        ExecutionError: `INSUFFICIENT_MEMORY`, with what the leanest method needs and what there is.
    """
    if not noisy and all(_is_clifford(operation) for operation, _, _ in steps(circuit)):
        return Method("stabilizer", stabilizer_mb(circuit.num_qubits))
    candidates = list(_candidates(circuit, shots=shots, noisy=noisy))
    fitting = [method for method in candidates if method.megabytes <= max_memory_mb]
    if fitting:
        return min(fitting, key=lambda method: method.seconds)
    if circuit.num_qubits > MAX_TRIAL_QUBITS and is_sampled(circuit) and not noisy:
        bond = min(TRIAL_BOND, largest_bond(circuit.num_qubits, max_memory_mb))
        if bond > 1:
            return Method("matrix_product_state", max_memory_mb, bond=bond)
    raise out_of_memory(circuit.num_qubits, min(method.megabytes for method in candidates), max_memory_mb)


def out_of_memory(n_qubits: int, needed_mb: float, max_memory_mb: int) -> ExecutionError:
    """Return the error of a circuit whose simulation does not fit."""
    needed = f"{needed_mb:,.0f}" if needed_mb < 1e12 else f"{needed_mb:.0e}"
    return ExecutionError(
        "INSUFFICIENT_MEMORY",
        f"simulating these {n_qubits} qubits needs {needed} MB of memory; {max_memory_mb:,} MB are available",
        needed_mb=math.ceil(needed_mb) if needed_mb < 1e12 else needed_mb,
        available_mb=max_memory_mb,
    )


def is_sampled(circuit: QuantumCircuit) -> bool:
    """Whether all measurements come last, so that one final state gives all shots."""
    measured: set[int] = set()
    for operation, qubits, _ in steps(circuit):
        if isinstance(operation, Barrier):
            continue
        if isinstance(operation, ControlFlowOp) or operation.name == "reset" or measured.intersection(qubits):
            return False
        if operation.name == "measure":
            measured.update(qubits)
    return True


def _is_clifford(operation: Any) -> bool:
    if operation.name == "rz":
        return quarter_turns(operation) is not None
    return operation.name in _CLIFFORD


def _candidates(circuit: QuantumCircuit, *, shots: int, noisy: bool) -> Iterator[Method]:
    n = circuit.num_qubits
    gates = sum(not isinstance(operation, (Barrier, ControlFlowOp)) for operation, _, _ in steps(circuit))
    sampled = is_sampled(circuit)
    runs = 1 if sampled and not noisy else shots
    yield Method("statevector", amplitudes_mb(n), runs * gates * (_PER_GATE + _PER_AMPLITUDE * 2.0**n))
    if noisy and sampled:
        yield Method("density_matrix", density_mb(n), gates * (_PER_GATE + _PER_DENSITY_ELEMENT * 4.0**n))
    bond = 2.0 ** _bond_bits(circuit)
    sampling = shots * n * (_PER_TENSOR_SHOT + _PER_TENSOR_SHOT_ELEMENT * bond**2) if runs == 1 else 0.0
    yield Method(
        "matrix_product_state",
        tensor_mb(n, bond),
        runs * gates * (_PER_TENSOR_GATE + _PER_TENSOR_ELEMENT * bond**3) + sampling,
    )


def _bond_bits(circuit: QuantumCircuit) -> int:
    """Bound the bits of bond: what the gates across each cut can entangle, and one for a swap."""
    n = circuit.num_qubits
    change = [0] * (n + 1)
    for operation, qubits, _ in steps(circuit):
        if len(qubits) > 1 and not isinstance(operation, (Barrier, ControlFlowOp)):
            weight = 1 if operation.name in ("cx", "cy", "cz", "cp", "ecr", "rzz", "crz", "ccx") else 2
            change[min(qubits)] += weight
            change[max(qubits)] -= weight
    most = crossing = 0
    for cut in range(1, n):
        crossing += change[cut - 1]
        most = max(most, min(crossing + 1, cut, n - cut))
    return most
