"""Circuits and targets that the optimiser is tried on."""

import math
import random

from hypothesis import strategies as st
from qiskit.circuit import Gate, QuantumCircuit
from qiskit.circuit.library import CXGate, Measure, PermutationGate, RZGate, SXGate, XGate, standard_gates
from qiskit.quantum_info import Operator
from qiskit.transpiler import CouplingMap, InstructionProperties, QubitProperties, Target

BASIS = ["rz", "sx", "x", "cx", "measure", "delay", "reset"]
GATES: list[tuple[type[Gate], int, int]] = [
    (standard_gates.HGate, 1, 0),
    (standard_gates.TGate, 1, 0),
    (standard_gates.RXGate, 1, 1),
    (standard_gates.RZGate, 1, 1),
    (standard_gates.CXGate, 2, 0),
    (standard_gates.CPhaseGate, 2, 1),
    (standard_gates.RZZGate, 2, 1),
    (standard_gates.SwapGate, 2, 0),
    (standard_gates.iSwapGate, 2, 0),
    (standard_gates.CCXGate, 3, 0),
]


ANGLES = st.one_of(st.just(0.0), st.floats(0.01, 3), st.floats(-3, -0.01))
"""Qiskit drops rotations by less than about 0.0001."""


@st.composite
def circuits(draw: st.DrawFn, n_qubits: int = 4, max_gates: int = 20, operands: int = 3) -> QuantumCircuit:
    """Draw gates, and Hadamards at the end, so that all that was drawn shows in a measurement."""
    circuit = QuantumCircuit(n_qubits)
    usable = [gate for gate in GATES if gate[1] <= operands]
    for kind, size, angles in draw(st.lists(st.sampled_from(usable), max_size=max_gates)):
        qubits = draw(st.permutations(range(n_qubits)))[:size]
        circuit.append(kind(*(draw(ANGLES) for _ in range(angles))), qubits)
    circuit.h(range(n_qubits))
    return circuit


def line(n_qubits: int) -> Target:
    return Target.from_configuration(BASIS, num_qubits=n_qubits, coupling_map=CouplingMap.from_line(n_qubits))


def complete(n_qubits: int) -> Target:
    return Target.from_configuration(BASIS, num_qubits=n_qubits, coupling_map=CouplingMap.from_full(n_qubits))


def calibrated_ring(n_qubits: int, seed: int = 1) -> Target:
    """A ring whose gates, qubits and readouts err differently."""
    dice = random.Random(seed)
    target = Target(
        num_qubits=n_qubits,
        dt=1e-9,
        qubit_properties=[
            QubitProperties(t1=dice.uniform(1e-4, 3e-4), t2=dice.uniform(5e-5, 2e-4)) for _ in range(n_qubits)
        ],
    )
    ring = [(q, (q + 1) % n_qubits) for q in range(n_qubits)]
    cx = {
        pair: InstructionProperties(error=dice.uniform(0.002, 0.03), duration=3e-7)
        for pair in (*ring, *((b, a) for a, b in ring))
    }
    target.add_instruction(CXGate(), cx)
    for gate in (SXGate(), XGate()):
        target.add_instruction(
            gate,
            {(q,): InstructionProperties(error=dice.uniform(1e-4, 1e-3), duration=3e-8) for q in range(n_qubits)},
        )
    target.add_instruction(
        RZGate(_parameter()), {(q,): InstructionProperties(error=0.0, duration=0.0) for q in range(n_qubits)}
    )
    target.add_instruction(
        Measure(),
        {(q,): InstructionProperties(error=dice.uniform(0.005, 0.05), duration=1e-6) for q in range(n_qubits)},
    )
    return target


def _parameter() -> object:
    from qiskit.circuit import Parameter

    return Parameter("angle")


def fourier(n_qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(n_qubits)
    for qubit in reversed(range(n_qubits)):
        circuit.h(qubit)
        for other in reversed(range(qubit)):
            circuit.cp(math.pi / 2 ** (qubit - other), other, qubit)
    return circuit


def ring_of_rotations(n_qubits: int, angle: object = 0.7) -> QuantumCircuit:
    """One layer of QAOA on a ring with chords."""
    circuit = QuantumCircuit(n_qubits)
    circuit.h(range(n_qubits))
    for step in (1, 2):
        for qubit in range(n_qubits):
            circuit.rzz(angle, qubit, (qubit + step) % n_qubits)
    circuit.rx(0.3, range(n_qubits))
    return circuit


def same_up_to_ends(one: QuantumCircuit, other: QuantumCircuit, ends: tuple[int, ...]) -> bool:
    """Whether two circuits are the same once qubit q of the first is looked for on qubit `ends[q]` of the second."""
    moved = one.copy()
    origin = [ends.index(wire) for wire in range(len(ends))]
    moved.append(PermutationGate(origin), range(len(ends)))
    return bool(Operator(moved).equiv(Operator(other), atol=1e-6))
