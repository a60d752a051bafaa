"""Real machines as targets: the part that works, and the gates they run."""

from typing import Any

from qiskit.transpiler import Target

from ketbase.circuits.gates import GATES, NOT_GATES
from ketbase.quantum.build import GATE_CLASSES

_NAMES = {kind().name: name for name, kind in GATE_CLASSES.items() if not GATES[name].angles} | {"rz": "RZ"}

DEAD = 1.0
"""The error by which a calibration marks what does not work."""


def working_part(whole: Target) -> Target:
    """Return what circuits are compiled for: a target without its dead couplers.

    Routing looks at couplers, not at their errors, and would otherwise cross a dead one. A target whose couplers
    are all dead is returned as it is.
    """
    part = Target(num_qubits=whole.num_qubits, dt=whole.dt, qubit_properties=whole.qubit_properties)
    alive = 0
    for name, where in whole.items():
        working = {qubits: each for qubits, each in where.items() if not _is_dead(qubits, each)}
        alive += sum(qubits is not None and len(qubits) > 1 for qubits in working)
        if None in working:
            part.add_instruction(whole.operation_from_name(name), name=name)
        elif working:
            part.add_instruction(whole.operation_from_name(name), working, name=name)
    return part if alive else whole


def native_gates(target: Target) -> list[str]:
    """Return the gates that a machine runs as they are, in alphabetical order."""
    native = {_NAMES[gate] for gate in target.operation_names if gate in _NAMES}
    return sorted(native - NOT_GATES)


def supported_gates(target: Target) -> tuple[str, ...]:
    """Return the gates that circuits for a machine may have: all, translated where need be, but reset."""
    return tuple(gate for gate in GATES if gate != "RESET" or "reset" in target.operation_names)


def _is_dead(qubits: tuple[int, ...] | None, properties: Any) -> bool:
    error = None if properties is None else properties.error
    return qubits is not None and len(qubits) > 1 and error is not None and error >= DEAD
