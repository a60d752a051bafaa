"""Definitions to store, from Qiskit circuits."""

import keyword
import math
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from qiskit import qasm3, transpile
from qiskit.circuit import (
    Barrier,
    CircuitInstruction,
    ClassicalRegister,
    ControlFlowOp,
    ControlledGate,
    Delay,
    ForLoopOp,
    ParameterExpression,
    QuantumCircuit,
)
from qiskit.circuit import Gate as QuantumGate
from qiskit.exceptions import QiskitError

from ketbase.circuits import expressions
from ketbase.circuits.gates import GATES, NOT_GATES
from ketbase.circuits.types import MAX_GATES, Angle, CircuitDefinition, Gate
from ketbase.quantum.build import GATE_CLASSES
from ketbase.quantum.limits import check_size, invalid, too_complex, too_many_gates

_NAMES: dict[Any, str] = {kind: name for name, kind in GATE_CLASSES.items()}
_LEGACY = {"u1": "P", "u3": "U", "cu1": "CP"}
_LOOSE = {"break_loop", "continue_loop"}
_BASIS = ["u", "cx", "id"]
_RESERVED = frozenset({"pi", "tau", "e", "U", "euler", "gphase"})


def definition_of(circuit: QuantumCircuit, *, max_gates: int = MAX_GATES) -> CircuitDefinition:
    """Describe a circuit by gates where gates can say it, and by canonical OpenQASM 3 where they cannot.

    Gates beyond `ketbase.circuits.gates` are expanded into those, of which there may be `max_gates`. The global
    phase is dropped.

    Raises:
        InvalidCircuitError: `CIRCUIT_TOO_LARGE`, `CIRCUIT_TOO_COMPLEX`, or `INVALID_QASM` where an operation has
            no meaning here.
    """
    check_size(circuit.num_qubits, circuit.num_clbits)
    if not circuit.num_qubits:
        raise invalid("the circuit declares no qubits")
    if _count(circuit, {}, max_gates) > max_gates:
        raise too_many_gates(max_gates)
    _check_names(circuit)
    plain = _expand(circuit)
    if len(plain.data) > max_gates:
        raise too_many_gates(max_gates)
    if all(_unified_name(instruction.operation) for instruction in plain.data):
        return CircuitDefinition.of_gates(plain.num_qubits, _gates(plain), registers_of(plain))
    if len(plain.data) > MAX_GATES:  # more are not read again
        raise too_many_gates()
    return _as_text(_with_every_bit_in_a_register(plain))


def registers_of(circuit: QuantumCircuit) -> list[tuple[str, int]]:
    """Return (name, size) for each classical register, such that together they hold every bit once, in order.

    Bits outside of any register, and those of registers that overlap, become registers of one bit.
    """
    found: list[tuple[str, int]] = []
    taken = {register.name for register in circuit.cregs}
    position = 0
    while position < circuit.num_clbits:
        register = _register_at(circuit, position)
        if register is not None:
            found.append((register.name, register.size))
            position += register.size
        else:
            name = f"bit_{position}"
            while name in taken:
                name += "_"
            found.append((name, 1))
            position += 1
    return found


def steps(circuit: QuantumCircuit) -> Iterator[tuple[Any, tuple[int, ...], tuple[int, ...]]]:
    """Walk through all operations with their qubits and classical bits, those inside control flow included."""
    for instruction in circuit.data:
        qubits = tuple(circuit.find_bit(bit).index for bit in instruction.qubits)
        clbits = tuple(circuit.find_bit(bit).index for bit in instruction.clbits)
        yield instruction.operation, qubits, clbits
        if isinstance(instruction.operation, ControlFlowOp):
            for block in instruction.operation.blocks:
                for operation, inner_qubits, inner_clbits in steps(block):
                    yield (
                        operation,
                        tuple(qubits[index] for index in inner_qubits),
                        tuple(clbits[index] for index in inner_clbits),
                    )


def _register_at(circuit: QuantumCircuit, position: int) -> ClassicalRegister | None:
    for register, index in circuit.find_bit(circuit.clbits[position]).registers:
        bits = circuit.clbits[position : position + register.size]
        if index == 0 and list(register) == bits:
            return register
    return None


def _check_names(circuit: QuantumCircuit) -> None:
    for parameter in circuit.parameters:
        name = parameter.name
        if keyword.iskeyword(name) or name in _RESERVED or unicodedata.normalize("NFKC", name) != name:
            raise invalid(
                f"the parameter '{name}' has a name that formulas cannot use; rename it, say to '{name}_0'",
                parameter=name,
            )


def _count(circuit: QuantumCircuit, known: dict[Any, int], limit: int) -> int:
    """Count the operations that a circuit expands to, each definition walked through once; stop at the limit."""
    total = 0
    for instruction in circuit.data:
        total += _count_operation(instruction.operation, known, limit)
        if total > limit:
            return limit + 1
    return total


def _count_operation(operation: Any, known: dict[Any, int], limit: int) -> int:
    if _unified_name(operation) or operation.name in _LOOSE or isinstance(operation, Delay):
        return 1
    if isinstance(operation, ForLoopOp):
        return len(operation.params[0]) * _count(operation.blocks[0], known, limit)
    if isinstance(operation, ControlFlowOp):
        return 1 + sum(_count(block, known, limit) for block in operation.blocks)
    key = operation.name, operation.num_qubits, getattr(operation, "ctrl_state", None)
    if key not in known:
        known[key] = _count(_definition(operation), known, limit)
    return known[key]


def _unified_name(operation: Any) -> str | None:
    """Return the unified form's name for an operation, none where it has another meaning or condition."""
    if isinstance(operation, Barrier):
        return "BARRIER"
    if isinstance(operation, ControlledGate) and operation.ctrl_state != (1 << operation.num_ctrl_qubits) - 1:
        return None
    kind = operation.base_class
    if kind.__module__.startswith("qiskit.circuit.library.standard_gates") and operation.name in _LEGACY:
        return _LEGACY[operation.name]
    return _NAMES.get(kind)


def _definition(operation: Any) -> QuantumCircuit:
    definition = getattr(operation, "definition", None)
    if definition is not None:
        return definition
    if type(operation) is QuantumGate or not hasattr(operation, "num_qubits") or operation.num_clbits:
        raise invalid(f"the operation '{operation.name}' has no definition", gate=operation.name)
    alone = QuantumCircuit(operation.num_qubits)
    alone.append(operation, range(operation.num_qubits))
    try:
        expanded = transpile(alone, basis_gates=_BASIS, optimization_level=0)
    except QiskitError as problem:
        raise invalid(f"the operation '{operation.name}' has no definition", gate=operation.name) from problem
    if any(instruction.operation == operation for instruction in expanded.data):
        raise invalid(f"the operation '{operation.name}' has no definition", gate=operation.name)
    return expanded


def _expand(circuit: QuantumCircuit) -> QuantumCircuit:
    plain = circuit.copy_empty_like()
    plain.global_phase = 0
    for instruction in circuit.data:
        _expand_into(plain, instruction)
    return plain


def _expand_into(plain: QuantumCircuit, instruction: CircuitInstruction) -> None:
    operation, qubits, clbits = instruction.operation, instruction.qubits, instruction.clbits
    if _unified_name(operation) or operation.name in _LOOSE or isinstance(operation, Delay):
        plain._append(instruction)
    elif isinstance(operation, ControlFlowOp):
        blocks = [_expand(block) for block in operation.blocks]
        plain._append(CircuitInstruction(operation.replace_blocks(blocks), qubits, clbits))
    else:
        _inline(plain, _definition(operation), qubits, clbits)


def _inline(plain: QuantumCircuit, body: QuantumCircuit, qubits: Any, clbits: Any) -> None:
    outer: Mapping[Any, Any] = {
        **dict(zip(body.qubits, qubits, strict=True)),
        **dict(zip(body.clbits, clbits, strict=True)),
    }
    for instruction in body.data:
        moved = CircuitInstruction(
            instruction.operation,
            [outer[bit] for bit in instruction.qubits],
            [outer[bit] for bit in instruction.clbits],
        )
        _expand_into(plain, moved)


def _gates(circuit: QuantumCircuit) -> Iterator[Gate]:
    for operation, qubits, clbits in steps(circuit):
        name = _unified_name(operation)
        if name is None or not qubits:
            continue
        angles = [] if name in NOT_GATES else [_angle(angle) for angle in operation.params]
        yield Gate(
            type=name,
            targets=qubits,
            parameters=dict(zip(GATES[name].angles, angles, strict=True)),
            clbits=clbits,
        )


def _angle(angle: Any) -> Angle:
    if isinstance(angle, ParameterExpression):
        if angle.parameters:
            formula = str(angle)
            if len(formula) > expressions.MAX_LENGTH:
                raise too_complex(
                    f"an angle is a formula of {len(formula):,} characters; "
                    f"at most {expressions.MAX_LENGTH} are possible",
                    limit=expressions.MAX_LENGTH,
                )
            return formula
        angle = _number(angle)
    if not math.isfinite(number := float(angle)):
        raise invalid("an angle is not a finite number")
    return number


def _number(angle: ParameterExpression) -> float:
    try:
        return float(angle.numeric())
    except (TypeError, ValueError, ArithmeticError) as problem:
        raise invalid("an angle is not a finite number") from problem


def _as_text(circuit: QuantumCircuit) -> CircuitDefinition:
    for operation, _, _ in steps(circuit):
        if _unified_name(operation) not in (None, *NOT_GATES):
            for angle in operation.params:
                _angle(angle)
    try:
        text = qasm3.dumps(circuit, allow_aliasing=True, disable_constants=True)
    except QiskitError as problem:
        raise invalid(f"the control flow cannot be written canonically: {problem.message}") from problem
    names = sorted(parameter.name for parameter in circuit.parameters)
    for name in names:
        if f"input float[64] {name};" not in text:
            raise invalid(f"the parameter '{name}' has the name of a gate; rename it", parameter=name)
    operations = [operation for operation, _, _ in steps(circuit) if not isinstance(operation, ControlFlowOp)]
    return CircuitDefinition(
        format="openqasm3",
        n_qubits=circuit.num_qubits,
        qasm=text,
        registers=tuple(registers_of(circuit)),
        inputs=tuple(names),
        features=tuple(sorted(_features(circuit))),
        depth=circuit.depth(lambda instruction: not isinstance(instruction.operation, Barrier)),
        gate_count=sum(_unified_name(operation) not in (None, *NOT_GATES) for operation in operations),
    )


def _with_every_bit_in_a_register(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit with a register for each loose bit: written text would declare those before all others."""
    if all(circuit.find_bit(bit).registers for bit in circuit.clbits):
        return circuit
    registers, position = [], 0
    for name, size in registers_of(circuit):
        bits = circuit.clbits[position : position + size]
        known = [register for register, _ in circuit.find_bit(bits[0]).registers if list(register) == bits]
        registers.append(known[0] if known else ClassicalRegister(name=name, bits=bits))
        position += size
    aliases = [register for register in circuit.cregs if register not in registers]
    whole = QuantumCircuit(circuit.qubits, *circuit.qregs, *registers, *aliases)
    for instruction in circuit.data:
        whole._append(instruction)
    return whole


def _features(circuit: QuantumCircuit) -> set[str]:
    features: set[str] = set()
    measured: set[int] = set()
    for operation, qubits, _ in steps(circuit):
        if isinstance(operation, ControlFlowOp) or operation.name in _LOOSE:
            features.add("control_flow")
            if measured:
                features.add("mid_circuit_measurement")
            continue
        if isinstance(operation, Barrier):
            continue
        if measured.intersection(qubits):
            features.add("mid_circuit_measurement")
        if operation.name == "measure":
            features.add("measurement")
            measured.update(qubits)
        elif operation.name == "reset":
            features.add("reset")
    return features
