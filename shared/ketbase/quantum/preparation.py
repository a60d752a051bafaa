"""The task of the children that compute the state that a circuit prepares."""

import base64
from typing import Any

from qiskit.circuit import Gate as QuantumGate
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import Statevector

from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.errors import InvalidCircuitError
from ketbase.quantum.binding import assigned
from ketbase.quantum.build import circuit_of

_NO_PART = ("barrier", "delay")
"""Operations that leave the state as it is."""


def state(definition: dict[str, Any], parameters: dict[str, float]) -> str:
    """Compute what a circuit makes of |0…0⟩, its final measurements left out.

    Returns:
        The amplitudes as base64 of little-endian complex128; qubit 0 is the least significant bit of their number.

    Raises:
        InvalidCircuitError: `INVALID_PARAMETER`, or `UNSUPPORTED_OPERATION` for anything but gates.
    """
    circuit = assigned(circuit_of(CircuitDefinition.model_validate(definition)), parameters)
    bare = QuantumCircuit(circuit.qubits)
    measured: set[Any] = set()
    for instruction in circuit.data:
        operation = instruction.operation
        if operation.name in _NO_PART:
            continue
        if operation.name == "measure" and measured.isdisjoint(instruction.qubits):
            measured.update(instruction.qubits)
        elif isinstance(operation, QuantumGate) and measured.isdisjoint(instruction.qubits):
            bare.append(instruction)
        else:  # Qiskit would draw an outcome by chance
            raise InvalidCircuitError(
                "UNSUPPORTED_OPERATION",
                f"The circuit has {operation.name} before its end, and so leaves no one state.",
                operations=[operation.name],
            )
    amplitudes = Statevector(bare).data
    return base64.b64encode(amplitudes.astype("<c16").tobytes()).decode()


def warm() -> None:
    """Compute a small state."""
    gates = [Gate(type="H", targets=(0,)), Gate(type="RX", targets=(1,), parameters={"theta": "a"})]
    bell = CircuitDefinition.of_gates(2, [*gates, Gate(type="CNOT", targets=(0, 1))])
    state(bell.model_dump(mode="json"), {"a": 0.5})
