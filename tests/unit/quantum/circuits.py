"""Random circuits over every gate there is, and how to compare two."""

import math

from hypothesis import strategies as st
from qiskit.quantum_info import Operator

from ketbase.circuits.gates import GATES, NOT_GATES
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.build import circuit_of

UNITARY_GATES = [name for name in GATES if name not in NOT_GATES]
ANGLES = st.one_of(
    st.sampled_from([0.0, math.pi, -math.pi / 2, math.pi / 3]),
    st.floats(-10, 10, allow_nan=False).filter(lambda angle: angle == 0 or abs(angle) > 1e-6),
)


@st.composite
def gates(draw: st.DrawFn, n_qubits: int, names: list[str] | None = None) -> Gate:
    name = draw(st.sampled_from(names or UNITARY_GATES))
    kind = GATES[name]
    targets = draw(st.permutations(range(n_qubits)))[: kind.qubits]
    return Gate(type=name, targets=targets, parameters={angle: draw(ANGLES) for angle in kind.angles})


@st.composite
def definitions(draw: st.DrawFn, n_qubits: int = 3, max_gates: int = 12) -> CircuitDefinition:
    return CircuitDefinition.of_gates(n_qubits, draw(st.lists(gates(n_qubits), max_size=max_gates)))


def one_of_each() -> CircuitDefinition:
    every = [
        Gate(
            type=name,
            targets=tuple(range(kind.qubits))[::-1],
            parameters={angle: 0.3 + 0.1 * position for position, angle in enumerate(kind.angles)},
        )
        for name, kind in GATES.items()
        if name not in NOT_GATES
    ]
    return CircuitDefinition.of_gates(3, every)


def same_unitary(one: CircuitDefinition, other: CircuitDefinition) -> bool:
    return Operator(circuit_of(one)).equiv(Operator(circuit_of(other)), atol=1e-7)
