"""What of a circuit decides how long it takes: its size, and which simulation it allows."""

import math

from pydantic import Field

from ketbase.circuits.types import Circuit, CircuitDefinition, Gate
from ketbase.types import Model

_CLIFFORD = frozenset(
    {"ID", "X", "Y", "Z", "H", "S", "SDG", "SX", "SXDG", "CNOT", "CY", "CZ", "SWAP", "ISWAP", "ECR"}
)
_QUARTER = frozenset({"RX", "RY", "RZ", "P"})
"""Rotations that are Clifford at multiples of a quarter turn."""
_ONE_BIT = frozenset(
    {"CNOT", "CY", "CZ", "CH", "CP", "CRX", "CRY", "CRZ", "ECR", "RXX", "RYY", "RZZ", "CCX", "CCZ"}
)
"""Gates that raise the entanglement across a cut by one bit at most; the others by two."""
_ANGLE_TOLERANCE = 1e-9


class Shape(Model):
    """A circuit as far as time is concerned.

    Attributes:
        gates: measurements, resets and barriers not counted.
        two_qubit_gates: of the gates, those on two qubits or more.
        clifford: whether a stabilizer simulation can run it.
        repeats: whether each shot is simulated by itself, because something comes after a measurement.
        interruptions: measurements and resets that something comes after.
        entangled_bits: a bound on the bits of entanglement across any cut of the qubits in their order.
    """

    n_qubits: int = Field(ge=1, le=1_000)
    gates: int = Field(ge=0, le=1_000_000)
    two_qubit_gates: int = Field(default=0, ge=0, le=1_000_000)
    clifford: bool = False
    repeats: bool = False
    interruptions: int = Field(default=0, ge=0, le=1_000_000)
    entangled_bits: int = Field(default=0, ge=0, le=1_000)


def shape_of(circuit: Circuit | CircuitDefinition) -> Shape:
    """Measure a circuit. Of one that only OpenQASM 3 can say, only the size is known."""
    definition = circuit.circuit_definition if isinstance(circuit, Circuit) else circuit
    if definition.format != "unified":
        return Shape(
            n_qubits=definition.n_qubits,
            gates=definition.gate_count,
            two_qubit_gates=definition.gate_count // 2,
            repeats=True,
            entangled_bits=definition.n_qubits // 2,
        )
    operations = [gate for gate in definition.gates if gate.type != "BARRIER"]
    gates = [gate for gate in operations if gate.type not in ("MEASURE", "RESET")]
    return Shape(
        n_qubits=definition.n_qubits,
        gates=len(gates),
        two_qubit_gates=sum(len(gate.targets) > 1 for gate in gates),
        clifford=all(map(_is_clifford, gates)),
        repeats=bool({"mid_circuit_measurement", "reset"}.intersection(definition.features)),
        interruptions=_interruptions(operations),
        entangled_bits=_entangled_bits(definition.n_qubits, gates),
    )


def busy_qubits(circuit: Circuit) -> int:
    """Count the qubits that something happens to; all of them are measured where the circuit measures none."""
    definition = circuit.circuit_definition
    operations = [gate for gate in definition.gates if gate.type != "BARRIER"]
    if definition.format != "unified" or not any(gate.type == "MEASURE" for gate in operations):
        return definition.n_qubits
    return len({target for gate in operations for target in gate.targets})


def _is_clifford(gate: Gate) -> bool:
    if gate.type in _CLIFFORD:
        return True
    return gate.type in _QUARTER and all(
        isinstance(angle, float) and abs(math.remainder(angle, math.pi / 2)) < _ANGLE_TOLERANCE
        for angle in gate.angles
    )


def _interruptions(operations: list[Gate]) -> int:
    later: set[int] = set()
    found = 0
    for operation in reversed(operations):
        if operation.type == "RESET" or (operation.type == "MEASURE" and operation.targets[0] in later):
            found += 1
        later.update(operation.targets)
    return found


def _entangled_bits(n_qubits: int, gates: list[Gate]) -> int:
    change = [0] * (n_qubits + 1)
    for gate in gates:
        if len(gate.targets) > 1:
            weight = 1 if gate.type in _ONE_BIT else 2
            change[min(gate.targets)] += weight
            change[max(gate.targets)] -= weight
    most = crossing = 0
    for cut in range(1, n_qubits):
        crossing += change[cut - 1]
        most = max(most, min(crossing + 1, cut, n_qubits - cut))
    return most
