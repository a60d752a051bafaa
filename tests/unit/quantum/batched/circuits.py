"""Random circuits with formulas over parameters and features, and what to compare the engine's answers with."""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st
from qiskit.quantum_info import Statevector

from ketbase.circuits import expressions
from ketbase.circuits.gates import GATES
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.build import circuit_of
from tests.unit.quantum.circuits import ANGLES, UNITARY_GATES

FEATURES = ("x_0", "x_1")
FORMULAS = (
    "theta_0",
    "theta_1",
    "2*theta_0 + pi/2",
    "theta_0 - theta_1/3 - x_0",
    "theta_0*x_1",
    "theta_1**2",
    "x_0",
    "3*x_1 - 1",
    "sin(x_0)",
    "sin(theta_0)*cos(x_1)",
    "exp(theta_1/4) + tan(x_0/4)",
    "acos(theta_0/4)*asin(x_0/4) + atan(theta_1)",
    "log(3 + theta_0)/(2 + x_1**2)",
    "abs(theta_2)**1.5 - 2**theta_1",
    "(2 + x_0)**(theta_2/2)",
    "-(+theta_2)",
)


@st.composite
def trainable(draw: st.DrawFn, n_qubits: int = 3, max_gates: int = 14) -> CircuitDefinition:
    """Circuits of all gates, with angles, formulas and barriers."""
    gates = []
    for _ in range(draw(st.integers(1, max_gates))):
        name = draw(st.sampled_from([*UNITARY_GATES, "RX", "RY", "CRX", "CRY", "CRZ", "U", "BARRIER"]))
        kind = GATES[name]
        targets = draw(st.permutations(range(n_qubits)))[: kind.qubits or 2]
        angles = {angle: draw(st.one_of(st.sampled_from(FORMULAS), ANGLES)) for angle in kind.angles}
        gates.append(Gate(type=name, targets=targets, parameters=angles))
    return CircuitDefinition.of_gates(n_qubits, gates)


@st.composite
def observables(draw: st.DrawFn, n_qubits: int = 3) -> Observables:
    """Sums of Pauli strings, or probabilities of outcomes."""
    if draw(st.booleans()):
        qubits = draw(st.permutations(range(n_qubits)))[: draw(st.integers(1, n_qubits))]
        return Observables.of_probabilities(n_qubits, qubits, draw(st.sampled_from([None, 2, 1 << len(qubits)])))
    strings = st.text("IXYZ", min_size=n_qubits, max_size=n_qubits)
    sums = st.dictionaries(strings, st.floats(-2, 2), min_size=1, max_size=4)
    return Observables.of_paulis(n_qubits, draw(st.lists(sums, min_size=1, max_size=3)))


def bound(definition: CircuitDefinition, values: dict[str, float]) -> CircuitDefinition:
    gates = [
        gate.model_copy(
            update={
                "parameters": {
                    name: float(expressions.evaluate(angle, values)) if isinstance(angle, str) else angle
                    for name, angle in gate.parameters.items()
                }
            }
        )
        for gate in definition.gates
    ]
    return CircuitDefinition.of_gates(definition.n_qubits, gates)


def qiskits_state(definition: CircuitDefinition, values: dict[str, float], start: np.ndarray | None = None):
    circuit = circuit_of(bound(definition, values))
    begin = Statevector.from_int(0, 2**definition.n_qubits) if start is None else Statevector(start)
    return begin.evolve(circuit).data


def finite_differences(
    function: Callable[[np.ndarray], np.ndarray], at: np.ndarray, step: float = 5e-4
) -> np.ndarray:
    """Central ones of fourth order, by the last axis."""
    columns = []
    for unit in np.eye(len(at)) * step:
        near = function(at + unit) - function(at - unit)
        far = function(at + 2 * unit) - function(at - 2 * unit)
        columns.append((8 * near - far) / (12 * step))
    return np.stack(columns, axis=-1) if columns else np.zeros((*np.shape(function(at)), 0))


def random_states(random: np.random.Generator, batch: int, n_qubits: int) -> np.ndarray:
    states = random.normal(size=(batch, 2**n_qubits)) + 1j * random.normal(size=(batch, 2**n_qubits))
    return states / np.linalg.norm(states, axis=1, keepdims=True)
