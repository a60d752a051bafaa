"""The circuit to optimise, taken apart: what is unitary, and what is measured at the end."""

from collections.abc import Sequence
from typing import NamedTuple

from qiskit.circuit import Barrier, Gate, Measure, QuantumCircuit
from qiskit.transpiler.passes import RemoveBarriers

from ketbase.quantum.describe import steps


class Subject(NamedTuple):
    """A circuit that measures something.

    Attributes:
        circuit: as it is executed; where there is a core, without the barriers before the measurements, which
            would keep the compiler from dropping what no measurement sees.
        core: the unitary part on the same qubits without classical bits; `None` where a qubit goes on after it was
            measured or after a barrier, or where there is a reset, a delay or control flow. Such a circuit is left
            to Qiskit's passes.
        outcomes: the qubit and the classical bit of each measurement; empty where there is no core.
    """

    circuit: QuantumCircuit
    core: QuantumCircuit | None
    outcomes: tuple[tuple[int, int], ...]

    def dressed(self, placed: QuantumCircuit, ends: Sequence[int]) -> QuantumCircuit:
        """Return a circuit on physical qubits with this one's measurements, given where each qubit ends up."""
        measured = QuantumCircuit(placed.qubits, self.circuit.clbits, global_phase=placed.global_phase)
        measured.add_register(*placed.qregs, *self.circuit.cregs)
        for instruction in placed.data:
            measured._append(instruction)
        measured.barrier([ends[qubit] for qubit, _ in self.outcomes])
        for qubit, bit in self.outcomes:
            measured.measure(ends[qubit], bit)
        return measured


def subject_of(circuit: QuantumCircuit) -> Subject:
    """Take a circuit apart, measuring every qubit first where nothing is measured."""
    if not any(operation.name == "measure" for operation, _, _ in steps(circuit)):
        circuit = circuit.measure_all(inplace=False)
    core = QuantumCircuit(circuit.num_qubits, global_phase=circuit.global_phase)
    outcomes: list[tuple[int, int]] = []
    closed: set[int] = set()
    for instruction in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if isinstance(instruction.operation, Measure):
            outcomes.append((qubits[0], circuit.find_bit(instruction.clbits[0]).index))
            closed.update(qubits)
        elif isinstance(instruction.operation, Barrier):
            closed.update(qubits)
        elif not closed.isdisjoint(qubits) or not isinstance(instruction.operation, Gate):
            return Subject(circuit, None, ())
        else:
            core.append(instruction.operation, qubits)
    once = len({qubit for qubit, _ in outcomes}) == len({bit for _, bit in outcomes}) == len(outcomes)
    return Subject(RemoveBarriers()(circuit), core, tuple(outcomes)) if once else Subject(circuit, None, ())
