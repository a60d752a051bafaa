"""Qiskit circuits from stored definitions."""

from collections.abc import Callable
from typing import Any

from qiskit.circuit import Barrier, ClassicalRegister, Measure, Parameter, QuantumCircuit, QuantumRegister, Reset
from qiskit.circuit.library import standard_gates as std

from ketbase.circuits import expressions
from ketbase.circuits.types import Angle, CircuitDefinition, Gate
from ketbase.errors import InvalidCircuitError

GATE_CLASSES: dict[str, Callable[..., Any]] = {
    "ID": std.IGate,
    "X": std.XGate,
    "Y": std.YGate,
    "Z": std.ZGate,
    "H": std.HGate,
    "S": std.SGate,
    "SDG": std.SdgGate,
    "T": std.TGate,
    "TDG": std.TdgGate,
    "SX": std.SXGate,
    "SXDG": std.SXdgGate,
    "RX": std.RXGate,
    "RY": std.RYGate,
    "RZ": std.RZGate,
    "P": std.PhaseGate,
    "U": std.UGate,
    "CNOT": std.CXGate,
    "CY": std.CYGate,
    "CZ": std.CZGate,
    "CH": std.CHGate,
    "CP": std.CPhaseGate,
    "CRX": std.CRXGate,
    "CRY": std.CRYGate,
    "CRZ": std.CRZGate,
    "SWAP": std.SwapGate,
    "ISWAP": std.iSwapGate,
    "ECR": std.ECRGate,
    "RXX": std.RXXGate,
    "RYY": std.RYYGate,
    "RZZ": std.RZZGate,
    "CCX": std.CCXGate,
    "CCZ": std.CCZGate,
    "CSWAP": std.CSwapGate,
    "MEASURE": Measure,
    "RESET": Reset,
}
"""Qiskit's class for each operation of the unified form; a barrier takes its size as well."""


def circuit_of(definition: CircuitDefinition) -> QuantumCircuit:
    """Build a Qiskit circuit: same qubits, same classical registers, free parameters kept by name.

    Raises:
        InvalidCircuitError: `INVALID_QASM` or `INVALID_CIRCUIT`, where the definition was not made by Ketbase.
    """
    if definition.format == "openqasm3":
        from ketbase.quantum.openqasm3 import read

        return read(definition.qasm or "")
    taken = {name for name, _ in definition.registers} | set(definition.inputs)
    circuit = QuantumCircuit(
        QuantumRegister(definition.n_qubits, _free_name("q", taken)),
        *(ClassicalRegister(size, name) for name, size in definition.registers),
    )
    parameters = {name: Parameter(name) for name in definition.inputs}
    for position, gate in enumerate(definition.gates):
        try:
            circuit.append(_operation(gate, parameters), gate.targets, gate.clbits)
        except Exception as problem:
            raise InvalidCircuitError(
                "INVALID_CIRCUIT", f"gates.{position} ({gate.type}): {problem}", field=f"gates.{position}"
            ) from problem
    return circuit


def _operation(gate: Gate, parameters: dict[str, Parameter]) -> Any:
    if gate.type == "BARRIER":
        return Barrier(len(gate.targets))
    return GATE_CLASSES[gate.type](*(_angle(angle, parameters) for angle in gate.angles))


def _angle(angle: Angle, parameters: dict[str, Parameter]) -> Any:
    return expressions.evaluate(angle, parameters) if isinstance(angle, str) else angle


def _free_name(stem: str, taken: set[str]) -> str:
    return next(name for name in (stem, *(f"{stem}_{i}" for i in range(len(taken) + 1))) if name not in taken)
