"""Circuits as OpenQASM 3 in Braket's dialect: its names of gates, no include, and each measured bit by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qiskit.circuit import QuantumCircuit

from ketbase.errors import ExecutionError
from ketbase.quantum.braket.dialects import Dialect
from ketbase.quantum.describe import steps
from ketbase.quantum.programs import touched

_HEADER = {"name": "braket.ir.openqasm.program", "version": "1"}
_SET_HEADER = {"name": "braket.ir.openqasm.program_set", "version": "1"}


@dataclass(frozen=True, slots=True)
class Measured:
    """Which qubits a program measures.

    Attributes:
        qubits: by the numbers that the program gives them, in the order of the program's bits.
        bits: for each classical bit of the circuit that is measured, the program's bit that it comes from.
    """

    qubits: tuple[int, ...]
    bits: Mapping[int, int]


def measured(circuit: QuantumCircuit, *, physical: bool) -> Measured:
    """Say what `written` makes a program measure.

    A qubit that is measured into several bits is measured once; the last qubit measured into a bit is the one.

    Raises:
        ExecutionError: `INVALID_PROGRAM`, something comes after a measurement.
    """
    number = _numbers(circuit, physical)
    source: dict[int, int] = {}
    done: set[int] = set()
    for operation, qubits, clbits in steps(circuit):
        if operation.name == "measure":
            source[clbits[0]] = number[qubits[0]]
            done.add(qubits[0])
        elif operation.name != "barrier" and done.intersection(qubits):
            raise _invalid("something comes after a measurement, which Braket's devices do not run")
    order = tuple(dict.fromkeys(source[bit] for bit in sorted(source)))
    return Measured(order, {bit: order.index(qubit) for bit, qubit in source.items()})


def written(circuit: QuantumCircuit, dialect: Dialect, *, all_measured: bool = False) -> str:
    """Write a compiled circuit; a global phase and barriers are left out.

    Args:
        circuit: of gates that the dialect knows, on the machine's qubits.
        dialect: the device's.
        all_measured: measure the other qubits as well, into more bits, for devices that ask for it.

    Raises:
        ExecutionError: `INVALID_PROGRAM`, an operation cannot be written.
    """
    number = _numbers(circuit, dialect.physical)
    reads = list(measured(circuit, physical=dialect.physical).qubits)
    if all_measured:
        reads += [qubit for qubit in number.values() if qubit not in reads]

    def name(qubit: int) -> str:
        return f"${qubit}" if dialect.physical else f"q[{qubit}]"

    gates, used = [], set()
    for operation, qubits, _ in steps(circuit):
        if operation.name in ("measure", "barrier"):
            continue
        where = [number[qubit] for qubit in qubits]
        used.update(where)
        gates.append(_gate(operation, dialect, [name(qubit) for qubit in where]))
    idle = [qubit for qubit in reads if qubit not in used]
    if idle and (not gates or not dialect.physical):
        # A program needs a gate, and without physical qubits, each of its qubits needs one.
        gates += [f"{_call(*dialect.identity)} {name(qubit)};" for qubit in idle]
    lines = ["OPENQASM 3.0;", f"bit[{len(reads)}] b;"]
    if not dialect.physical:
        lines.append(f"qubit[{len(number)}] q;")
    if dialect.verbatim:
        lines += ["#pragma braket verbatim", "box{", *gates, "}"]
    else:
        lines += gates
    lines += [f"b[{bit}] = measure {name(qubit)};" for bit, qubit in enumerate(reads)]
    return "\n".join(lines)


def action(sources: list[str]) -> dict[str, Any]:
    """Make what a task does of a program, or of several."""
    programs = [{"braketSchemaHeader": _HEADER, "source": source, "inputs": {}} for source in sources]
    return programs[0] if len(programs) == 1 else {"braketSchemaHeader": _SET_HEADER, "programs": programs}


def _numbers(circuit: QuantumCircuit, physical: bool) -> dict[int, int]:
    """What the program calls the qubits that the circuit touches: their own numbers, or 0, 1, 2, …"""
    return {qubit: qubit if physical else position for position, qubit in enumerate(touched(circuit))}


def _gate(operation: Any, dialect: Dialect, operands: list[str]) -> str:
    if operation.name not in dialect.writing:
        raise _invalid(f"{operation.name} is none of the gates that are sent to this device")
    name, angles = dialect.writing[operation.name](*(float(angle) for angle in operation.params))
    return f"{_call(name, angles)} {', '.join(operands)};"


def _call(name: str, angles: tuple[float, ...]) -> str:
    return f"{name}({', '.join(repr(angle) for angle in angles)})" if angles else name


def _invalid(reason: str) -> ExecutionError:
    return ExecutionError("INVALID_PROGRAM", f"the compiled circuit cannot be written for Braket: {reason}")
