"""Executable circuits: as bytes, on fewer qubits, and in fewer kinds of instruction."""

import io
import math
from collections.abc import Collection, Sequence
from typing import Any

from qiskit import qpy
from qiskit.circuit import Barrier, CircuitInstruction, ControlFlowOp, QuantumCircuit, Qubit
from qiskit.circuit.library import IGate, SdgGate, SGate, ZGate

from ketbase.errors import ExecutionError
from ketbase.quantum.describe import steps

_QUARTER_TURNS = (IGate(), SGate(), ZGate(), SdgGate())
_QUARTER_TURN_ERROR = 1e-12


def to_bytes(circuits: Sequence[QuantumCircuit]) -> bytes:
    """Write circuits in Qiskit's QPY format."""
    stream = io.BytesIO()
    qpy.dump(list(circuits), stream)
    return stream.getvalue()


def from_bytes(program: bytes) -> tuple[QuantumCircuit, ...]:
    """Read what `to_bytes` wrote.

    Raises:
        ExecutionError: `INVALID_PROGRAM`.
    """
    try:
        return tuple(qpy.load(io.BytesIO(program)))
    except Exception as problem:
        raise ExecutionError("INVALID_PROGRAM", f"the compiled circuit cannot be read: {problem}") from problem


def touched(circuit: QuantumCircuit) -> tuple[int, ...]:
    """Return the qubits that any operation but a barrier acts on, ascending, control flow looked into."""
    return tuple(
        sorted(
            {
                qubit
                for operation, qubits, _ in steps(circuit)
                if not isinstance(operation, (Barrier, ControlFlowOp))
                for qubit in qubits
            }
        )
    )


def restricted(circuit: QuantumCircuit, active: Collection[int]) -> QuantumCircuit:
    """Return the circuit on some of its qubits only, in the same order; all others must be idle."""
    kept = sorted(active)
    small = QuantumCircuit([Qubit() for _ in kept], circuit.clbits, *circuit.cregs)
    position = dict(zip(kept, small.qubits, strict=True))
    for instruction in circuit.data:
        where = [circuit.find_bit(bit).index for bit in instruction.qubits]
        inside = [index for index, qubit in enumerate(where) if qubit in position]
        operation = instruction.operation
        if isinstance(operation, ControlFlowOp):
            operation = operation.replace_blocks([restricted(block, inside) for block in operation.blocks])
        elif isinstance(operation, Barrier):
            operation = Barrier(len(inside))
        if inside or not where:
            qubits = [position[where[index]] for index in inside]
            small._append(CircuitInstruction(operation, qubits, instruction.clbits))
    return small


def expanded(circuit: QuantumCircuit, supported: Collection[str]) -> QuantumCircuit:
    """Return the circuit with every gate outside of `supported` replaced by its definition."""
    plain = circuit.copy_empty_like()
    for instruction in circuit.data:
        _expand_into(plain, instruction, supported)
    return plain


def named_quarter_turns(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit with every `rz` by quarter turns replaced by the Clifford gate that it is, up to a phase.

    The compiler leaves angles such as −1.5707963267948983, which Aer's stabilizer method takes for no quarter turn.
    """
    named = circuit.copy_empty_like()
    for instruction in circuit.data:
        operation: Any = instruction.operation
        if isinstance(operation, ControlFlowOp):
            operation = operation.replace_blocks([named_quarter_turns(block) for block in operation.blocks])
        elif operation.name == "rz" and (turns := quarter_turns(operation)) is not None:
            operation = _QUARTER_TURNS[turns]
        named._append(CircuitInstruction(operation, instruction.qubits, instruction.clbits))
    return named


def quarter_turns(rotation: Any) -> int | None:
    """Return by how many quarter turns an `rz` rotates, 0 to 3; `None` where it is no whole number of them."""
    turns = float(rotation.params[0]) / (math.pi / 2)
    return round(turns) % 4 if abs(turns - round(turns)) < _QUARTER_TURN_ERROR else None


def _expand_into(plain: QuantumCircuit, instruction: CircuitInstruction, supported: Collection[str]) -> None:
    operation: Any = instruction.operation
    if isinstance(operation, ControlFlowOp):
        blocks = [expanded(block, supported) for block in operation.blocks]
        operation = operation.replace_blocks(blocks)
    elif operation.name not in supported and operation.name != "barrier" and operation.definition is not None:
        definition = operation.definition
        outer = dict(zip(definition.qubits, instruction.qubits, strict=True))
        for inner in definition.data:
            moved = CircuitInstruction(inner.operation, [outer[bit] for bit in inner.qubits], ())
            _expand_into(plain, moved, supported)
        return
    plain._append(CircuitInstruction(operation, instruction.qubits, instruction.clbits))
