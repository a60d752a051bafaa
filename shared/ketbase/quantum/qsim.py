"""The engine of `qsim`: Google's statevector simulator, in single precision."""

import cirq
import numpy as np
import qsimcirq
from qiskit.circuit import QuantumCircuit

from ketbase.backends.types import BackendInfo
from ketbase.quantum.engines import Counts, Simulated, Work
from ketbase.quantum.machines import Machine
from ketbase.quantum.sampling import Bits, bits_of, counted, sampled
from ketbase.quantum.statevectors import OPERATIONS, Step, check_memory, simulated, state_mb, steps_of

_FUSED_QUBITS = 3
"""The fastest size of the matrices that gates are multiplied into, or near it, from 10 to 24 qubits."""
_QUBITS_OF_ONE_THREAD = 17
"""So small a state takes one thread no longer than two, and no others wait for each other after every gate."""
_SHOTS_AT_ONCE = 10_000
"""Of those that are simulated one by one; it bounds what their bits take."""


class QsimEngine:
    """The engine of `qsim`.

    Args:
        max_memory_mb: what one execution's state may take; what needs more is refused before it starts.
        threads: how many threads simulate a state that is large enough. Counts do not depend on it.
    """

    def __init__(self, max_memory_mb: int = 3_000, threads: int = 2):
        self._max_memory_mb = max_memory_mb
        self._threads = threads

    def machine(self, backend: BackendInfo) -> Machine:
        """Describe the simulator, which runs every circuit as it is, but no control flow."""
        return Machine(backend.id, backend.capabilities.max_qubits, OPERATIONS, packages=("qsimcirq", "cirq-core"))

    def run(self, work: Work) -> Simulated:
        """Run each circuit on the qubits it touches; the same work gives the same counts.

        Where something comes after a measurement, each shot is simulated by itself.

        Raises:
            ExecutionError: `INSUFFICIENT_MEMORY` or `SIMULATION_FAILED`.
        """
        return simulated(work, "qsim", self._counts)

    def needed_mb(self, work: Work, max_memory_mb: int) -> float:
        """Say what the largest state takes.

        Raises:
            ExecutionError: `INSUFFICIENT_MEMORY`.
        """
        return state_mb(work, "qsim", max_memory_mb)

    def _counts(self, circuit: QuantumCircuit, shots: int, seed: int) -> Counts:
        check_memory(circuit.num_qubits, "qsim", self._max_memory_mb)
        steps = steps_of(circuit)
        if all(step.last or step.is_gate for step in steps):
            return self._sampled(steps, circuit, shots, seed)
        return self._one_by_one(steps, circuit, shots, seed)

    def _sampled(self, steps: list[Step], circuit: QuantumCircuit, shots: int, seed: int) -> Counts:
        qubits = cirq.LineQubit.range(circuit.num_qubits)
        gates = cirq.Circuit(_gate(step, qubits) for step in steps if step.is_gate)
        # The first qubit of the order is the most significant; qubits without a gate belong to the state as well.
        state = self._simulator(len(qubits), seed).simulate_into_1d_array(gates, qubit_order=qubits[::-1])[1]
        measured = {step.clbit: step.qubits[0] for step in steps if step.clbit is not None}
        states, times = sampled(state, shots, seed)
        return counted(bits_of(states, measured, circuit.num_clbits), times)

    def _one_by_one(self, steps: list[Step], circuit: QuantumCircuit, shots: int, seed: int) -> Counts:
        qubits = cirq.LineQubit.range(circuit.num_qubits)
        program = cirq.Circuit(_operation(step, qubits, key=str(number)) for number, step in enumerate(steps))
        simulator = self._simulator(len(qubits), seed)
        counts: Counts = {}
        for start in range(0, shots, _SHOTS_AT_ONCE):
            result = simulator.run(program, repetitions=min(_SHOTS_AT_ONCE, shots - start))
            rows: Bits = np.zeros((result.repetitions, circuit.num_clbits), dtype=np.uint8)
            for number, step in enumerate(steps):
                if step.clbit is not None:
                    rows[:, circuit.num_clbits - 1 - step.clbit] = result.measurements[str(number)][:, 0]
            for outcome, times in counted(rows).items():
                counts[outcome] = counts.get(outcome, 0) + times
        return counts

    def _simulator(self, n_qubits: int, seed: int) -> qsimcirq.QSimSimulator:
        threads = 1 if n_qubits <= _QUBITS_OF_ONE_THREAD else self._threads
        options = qsimcirq.QSimOptions(max_fused_gate_size=_FUSED_QUBITS, cpu_threads=threads)
        return qsimcirq.QSimSimulator(options, seed=seed)


def _operation(step: Step, qubits: list[cirq.LineQubit], key: str) -> cirq.Operation:
    if step.is_gate:
        return _gate(step, qubits)
    qubit = qubits[step.qubits[0]]
    return cirq.reset(qubit) if step.clbit is None else cirq.measure(qubit, key=key)


def _gate(step: Step, qubits: list[cirq.LineQubit]) -> cirq.Operation:
    """Write a gate as its matrix: qsim makes matrices of gates anyway, to multiply them."""
    matrix = cirq.MatrixGate(np.asarray(step.operation.to_matrix()), unitary_check=False)
    return matrix.on(*(qubits[qubit] for qubit in reversed(step.qubits)))
