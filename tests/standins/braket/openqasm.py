"""A reader of OpenQASM 3 as Braket takes it, which refuses what the device would refuse."""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_STATEMENT = re.compile(
    r"(?P<gate>[a-z_][a-z0-9_]*)\s*(?:\((?P<angles>.*)\))?\s+(?P<operands>[$q].*)|"
    r"(?P<bit>b\[\d+\])\s*=\s*measure\s+(?P<qubit>\S+)|"
    r"bit\[(?P<bits>\d+)\]\s+b|"
    r"qubit\[(?P<qubits>\d+)\]\s+q|"
    r"OPENQASM\s+3(?:\.0)?"
)
_OPERATORS: Mapping[type, Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_QUARTER = math.pi / 2
_ANGLE_ERROR = 1e-9


class RefusedError(Exception):
    """The program is not one that the device runs."""


@dataclass
class Program:
    """A program as it was read.

    Attributes:
        gates: name, angles and qubits of each.
        measured: for each classical bit in ascending order, the qubit that is measured into it.
    """

    gates: list[tuple[str, tuple[float, ...], tuple[int, ...]]] = field(default_factory=list)
    measured: dict[int, int] = field(default_factory=dict)
    physical: bool = False
    verbatim: bool = False
    n_bits: int = 0
    n_qubits: int | None = None


def read(source: str, capabilities: Mapping[str, Any]) -> Program:
    """Read a program for a device."""
    program, boxed, pragma = Program(), False, False
    statements = [line.strip() for line in re.split(r";|\n|(?<=\{)|(?=\})", source) if line.strip()]
    if not statements or not statements[0].startswith("OPENQASM"):
        raise RefusedError("the program has no OPENQASM header")
    for statement in statements:
        if statement == "#pragma braket verbatim":
            pragma = True
        elif re.fullmatch(r"box\s*\{", statement):
            if not pragma:
                raise RefusedError("a box without a verbatim pragma")
            if "verbatim" not in capabilities["action"]["braket.ir.openqasm.program"]["supportedPragmas"]:
                raise RefusedError("Verbatim boxes are not supported by this device")
            boxed, program.verbatim = True, True
        elif statement == "}":
            boxed = False
        else:
            _read_statement(program, statement, boxed=boxed)
    _check(program, capabilities)
    return program


def _read_statement(program: Program, statement: str, *, boxed: bool) -> None:
    found = _STATEMENT.fullmatch(statement)
    if found is None:
        raise RefusedError(f"No terminal matches {statement!r}")
    if found["bits"]:
        if program.n_bits:
            raise RefusedError("more than one classical register")
        program.n_bits = int(found["bits"])
    elif found["qubits"]:
        if program.n_qubits is not None:
            raise RefusedError("more than one qubit register")
        program.n_qubits = int(found["qubits"])
    elif found["bit"]:
        bit, qubit = int(found["bit"][2:-1]), _qubit(program, found["qubit"])
        if bit >= program.n_bits or bit in program.measured:
            raise RefusedError(f"the classical bit {bit} does not exist, or is assigned twice")
        if qubit in program.measured.values():
            raise RefusedError(f"cannot measure the already measured qubit {qubit}")
        program.measured[bit] = qubit
    elif found["gate"]:
        if program.verbatim and not boxed:
            raise RefusedError("a gate outside of the verbatim box")
        qubits = tuple(_qubit(program, each.strip()) for each in found["operands"].split(","))
        if len(set(qubits)) < len(qubits):
            raise RefusedError(f"{statement}: a qubit twice")
        if set(qubits) & set(program.measured.values()):
            raise RefusedError("cannot apply a gate to a measured qubit")
        angles = tuple(_angle(each) for each in found["angles"].split(",")) if found["angles"] else ()
        program.gates.append((found["gate"], angles, qubits))


def _qubit(program: Program, text: str) -> int:
    physical = re.fullmatch(r"\$(\d+)", text)
    virtual = re.fullmatch(r"q\[(\d+)\]", text)
    if physical is None and virtual is None:
        raise RefusedError(f"what is the qubit {text}?")
    if physical is not None:
        if program.n_qubits is not None:
            raise RefusedError("mixes physical qubits and qubits registers.")
        program.physical = True
        return int(physical[1])
    assert virtual is not None
    if program.n_qubits is None or int(virtual[1]) >= program.n_qubits:
        raise RefusedError(f"{text} is not declared")
    return int(virtual[1])


def _angle(text: str) -> float:
    def value(node: ast.AST) -> float:
        match node:
            case ast.Constant(value=float() | int() as number):
                return float(number)
            case ast.Name(id="pi"):
                return math.pi
            case ast.BinOp(left=left, op=op, right=right):
                return _OPERATORS[type(op)](value(left), value(right))
            case ast.UnaryOp(op=op, operand=operand):
                return _OPERATORS[type(op)](value(operand))
        raise RefusedError(f"what is the angle {text}?")

    return value(ast.parse(text.strip(), mode="eval").body)


def _check(program: Program, capabilities: Mapping[str, Any]) -> None:
    action, paradigm = capabilities["action"]["braket.ir.openqasm.program"], capabilities["paradigm"]
    if not program.gates:
        raise RefusedError("Circuit must have at least one non-measure instruction")
    if not program.measured or len(program.measured) < program.n_bits:
        raise RefusedError("a classical bit is never assigned")
    used = {qubit for _, _, qubits in program.gates for qubit in qubits}
    if program.physical:
        _check_physical(program, capabilities, used | set(program.measured.values()))
    else:
        if program.n_qubits is None or program.n_qubits > paradigm["qubitCount"]:
            raise RefusedError(f"the device has {paradigm['qubitCount']} qubits")
        if action["requiresContiguousQubitIndices"] and used != set(range(program.n_qubits)):
            idle = sorted(set(range(program.n_qubits)) - used)
            raise RefusedError(f"Device requires contiguous qubits. Qubit register q has unused qubits {idle}")
        if action["requiresAllQubitsMeasurement"] and set(program.measured.values()) != set(
            range(program.n_qubits)
        ):
            raise RefusedError("Device requires all qubits to be measured")
    natives = {name.lower() for name in paradigm.get("nativeGateSet", ())}
    allowed = natives if program.verbatim else set(action["supportedOperations"])
    for name, angles, _ in program.gates:
        if name not in allowed:
            raise RefusedError(f"Gate {name} is not supported by the device")
        if program.verbatim and name == "rx":
            turns = angles[0] / _QUARTER
            if abs(turns - round(turns)) > _ANGLE_ERROR or abs(round(turns)) > 2:
                raise RefusedError(f"rx({angles[0]}) is not native: only ±π/2 and ±π are")


def _check_physical(program: Program, capabilities: Mapping[str, Any], used: set[int]) -> None:
    connectivity = capabilities["paradigm"]["connectivity"]
    if not capabilities["action"]["braket.ir.openqasm.program"]["supportPhysicalQubits"]:
        raise RefusedError("Physical qubits are not supported by this device")
    if connectivity["fullyConnected"]:
        if max(used) >= capabilities["paradigm"]["qubitCount"]:
            raise RefusedError("no such qubit")
        return
    pairs = {
        frozenset((int(one), int(other)))
        for one, others in connectivity["connectivityGraph"].items()
        for other in others
    }
    missing = used - {qubit for pair in pairs for qubit in pair}
    if missing:
        raise RefusedError(f"the device has no qubits {sorted(missing)}")
    for name, _, qubits in program.gates:
        if len(qubits) == 2 and frozenset(qubits) not in pairs:
            raise RefusedError(f"{name} on {qubits}: the qubits are not connected")
