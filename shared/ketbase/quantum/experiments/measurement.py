"""Measuring in a Pauli basis, in a machine's own gates and on the qubits where a compiled circuit ends."""

from collections.abc import Iterable, Sequence

from qiskit.circuit import ClassicalRegister, QuantumCircuit
from qiskit.transpiler import PassManager
from qiskit.transpiler.passes import Optimize1qGatesDecomposition

from ketbase.quantum.machines import Machine
from ketbase.quantum.programs import expanded

REGISTER = "meas"
"""The classical register: bit i takes the outcome of qubit i of the submitted circuit."""


def measured_in(letters: str, program: QuantumCircuit, machine: Machine, ends: Sequence[int]) -> QuantumCircuit:
    """Return a compiled circuit followed by a measurement.

    Args:
        letters: the basis of each qubit, qubit 0 rightmost; `I` for one that is not measured, its bit stays 0.
        program: the circuit, without classical bits.
        machine: whose gates it is in.
        ends: for each qubit of the submitted circuit, the machine's qubit that it ends on.
    """
    turns = QuantumCircuit(program.num_qubits)
    for qubit, letter in enumerate(reversed(letters)):
        if letter == "Y":
            turns.sdg(ends[qubit])
        if letter in "XY":
            turns.h(ends[qubit])
    qubits = [qubit for qubit, letter in enumerate(reversed(letters)) if letter != "I"]
    return _measured(program.compose(_native(turns, machine)), qubits, ends)


def prepared(state: int, qubits: Iterable[int], machine: Machine, ends: Sequence[int]) -> QuantumCircuit:
    """Return the circuit that measures some qubits of the submitted circuit, all in state 0 or all in state 1."""
    flips = QuantumCircuit(machine.targets[0].num_qubits if machine.targets else len(ends))
    if state:
        for qubit in qubits:
            flips.x(ends[qubit])
    return _measured(_native(flips, machine), qubits, ends)


def _measured(circuit: QuantumCircuit, qubits: Iterable[int], ends: Sequence[int]) -> QuantumCircuit:
    taken = {register.name for register in circuit.qregs}
    name = REGISTER if REGISTER not in taken else f"{REGISTER}_{len(taken)}"
    circuit.add_register(ClassicalRegister(len(ends), name))
    for qubit in qubits:
        circuit.measure(ends[qubit], qubit)
    return circuit


def _native(circuit: QuantumCircuit, machine: Machine) -> QuantumCircuit:
    if not machine.targets:
        return expanded(circuit, machine.operations)
    translated: QuantumCircuit = PassManager([Optimize1qGatesDecomposition(target=machine.targets[0])]).run(circuit)
    return translated
