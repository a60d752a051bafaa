"""What the simulators share that keep all amplitudes of a circuit without noise."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from qiskit.circuit import QuantumCircuit

from ketbase.backends.types import Engine
from ketbase.circuits.gates import GATES
from ketbase.costs.memory import BYTES_PER_AMPLITUDE, amplitudes_mb
from ketbase.errors import ExecutionError
from ketbase.quantum.build import GATE_CLASSES
from ketbase.quantum.describe import steps
from ketbase.quantum.engines import Counts, Simulated, Work
from ketbase.quantum.methods import out_of_memory
from ketbase.quantum.programs import restricted, touched

OPERATIONS = frozenset(kind(*(0.0 for _ in GATES[name].angles)).name for name, kind in GATE_CLASSES.items()) | {
    "barrier",
    "delay",
}
"""What they run as it is, by Qiskit's names: all that the unified form can say, and no control flow."""

_IDLE = frozenset({"barrier", "delay", "id"})
_MEGABYTE = 1_000_000


class Step(NamedTuple):
    """An operation that does something.

    Attributes:
        operation: Qiskit's.
        qubits: in Qiskit's order.
        clbit: that a measurement writes.
        last: whether it is a measurement after which nothing happens to its qubit.
    """

    operation: Any
    qubits: tuple[int, ...]
    clbit: int | None = None
    last: bool = False

    @property
    def is_gate(self) -> bool:
        """Whether it is unitary."""
        return self.clbit is None and self.operation.name != "reset"


def steps_of(circuit: QuantumCircuit) -> list[Step]:
    """List what a circuit does, in order, without what leaves the state as it is."""
    found: list[Step] = []
    later: set[int] = set()
    for operation, qubits, clbits in reversed(list(steps(circuit))):
        if operation.name in _IDLE:
            continue
        last = operation.name == "measure" and qubits[0] not in later
        found.append(Step(operation, qubits, clbits[0] if clbits else None, last))
        later.update(qubits)
    return found[::-1]


def simulated(work: Work, method: str, counts_of: Callable[[QuantumCircuit, int, int], Counts]) -> Simulated:
    """Run each circuit, on the qubits it touches, by a function of circuit, shots and seed.

    Raises:
        ExecutionError: what the function raises, or `SIMULATION_FAILED` where a simulator refused a circuit.
    """
    counts = []
    for number, circuit in enumerate(work.circuits):
        small = restricted(circuit, touched(circuit))
        try:
            counts.append(counts_of(small, work.shots, work.seed + number))
        except (RuntimeError, ValueError) as problem:
            reason = str(problem) or type(problem).__name__
            raise ExecutionError("SIMULATION_FAILED", f"{method} refused the circuit: {reason}") from problem
    return Simulated(tuple(counts), method)


def most_qubits(engine: Engine, memory_mb: int) -> int:
    """Return how many qubits fit."""
    return int(math.log2(memory_mb * _MEGABYTE / BYTES_PER_AMPLITUDE[engine]))


def state_mb(
    work: Work, engine: Engine, max_memory_mb: int, beside: Callable[[list[Step]], int] = lambda _: 0
) -> float:
    """Say what the largest state takes, of each circuit on the qubits that it touches.

    Args:
        work: what is to be simulated.
        engine: which simulates it.
        max_memory_mb: what there is.
        beside: bytes for each amplitude that the steps of a circuit need beside the state.

    Raises:
        ExecutionError: `INSUFFICIENT_MEMORY`.
    """
    return max(
        check_memory(len(touched(each)), engine, max_memory_mb, beside=beside(steps_of(each)))
        for each in work.circuits
    )


def check_memory(n_qubits: int, engine: Engine, max_memory_mb: int, *, beside: int = 0) -> float:
    """Check that a state fits, and return what it takes, in megabytes.

    Args:
        n_qubits: of the circuit.
        engine: which simulates it.
        max_memory_mb: what there is.
        beside: bytes for each amplitude that are needed beside the state.

    Raises:
        ExecutionError: `INSUFFICIENT_MEMORY`.
    """
    needed = amplitudes_mb(n_qubits, BYTES_PER_AMPLITUDE[engine] + beside)
    if needed > max_memory_mb:
        raise out_of_memory(n_qubits, needed, max_memory_mb)
    return needed
