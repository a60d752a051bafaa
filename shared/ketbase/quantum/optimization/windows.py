"""Forms improved piece by piece: a window on a few qubits is cut out, made anew, and put back if it is better."""

import random
from collections.abc import Callable, Sequence

from qiskit.circuit import QuantumCircuit

from ketbase.quantum.optimization.forms import Form, is_interaction, two_qubit_gates

MIN_GATES = 3
"""Windows with fewer gates on two qubits are not worth the trouble."""


def window_of(circuit: QuantumCircuit, start: int, width: int, length: int) -> list[int]:
    """Return the positions of gates that can be cut out together, from one onwards.

    Nothing outside of the window has to come both after one of its gates and before another.

    Args:
        circuit: of gates on one and two qubits.
        start: position of the first gate.
        width: how many qubits the window may have.
        length: how many gates on two qubits it may have.
    """
    inside: set[int] = set()
    blocked: set[int] = set()
    window: list[int] = []
    interactions = 0
    for position in range(start, len(circuit.data)):
        instruction = circuit.data[position]
        qubits = {circuit.find_bit(qubit).index for qubit in instruction.qubits}
        joins = not (qubits & blocked) and (not inside or bool(qubits & inside)) and len(inside | qubits) <= width
        if joins and interactions < length:
            window.append(position)
            inside |= qubits
            interactions += is_interaction(instruction.operation)
        elif qubits & (inside | blocked):
            blocked |= qubits
            if inside <= blocked:
                break
    return window


def with_window(
    form: Form, window: Sequence[int], remake: Callable[[Form], Form], tidy: Callable[[Form], Form]
) -> Form | None:
    """Return a form with a window made anew, or `None` where that saves no gate on two qubits."""
    circuit = form.circuit
    taken = set(window)
    qubits = sorted({circuit.find_bit(qubit).index for at in window for qubit in circuit.data[at].qubits})
    place = {qubit: index for index, qubit in enumerate(qubits)}
    piece = QuantumCircuit(len(qubits))
    for at in window:
        where = [place[circuit.find_bit(qubit).index] for qubit in circuit.data[at].qubits]
        piece.append(circuit.data[at].operation, where)
    made = tidy(remake(Form("window", piece, tuple(range(len(qubits))))))
    if made.cost >= two_qubit_gates(piece):
        return None
    # Before the window comes what does not depend on it; after it, on exchanged wires where it exchanges some.
    wires = list(range(circuit.num_qubits))
    whole = QuantumCircuit(circuit.num_qubits)
    after: list[int] = []
    touched: set[int] = set()
    for position, instruction in enumerate(circuit.data):
        where = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if position in taken:
            touched.update(where)
        elif not touched.isdisjoint(where):
            touched.update(where)
            after.append(position)
        else:
            whole.append(instruction.operation, where)
    whole.compose(made.circuit, qubits=qubits, inplace=True)
    for qubit, end in zip(qubits, made.ends, strict=True):
        wires[qubit] = qubits[end]
    for position in after:
        instruction = circuit.data[position]
        whole.append(instruction.operation, [wires[circuit.find_bit(qubit).index] for qubit in instruction.qubits])
    return form.then(form.name, whole, wires)


def random_window(circuit: QuantumCircuit, dice: random.Random) -> list[int]:
    """Return a window of random place, width and length; of too few gates where the place is a bad one."""
    starts = [at for at, instruction in enumerate(circuit.data) if is_interaction(instruction.operation)]
    if not starts:
        return []
    width = dice.choice((3, 4, 5, 6, 8, circuit.num_qubits))
    return window_of(circuit, dice.choice(starts), width, dice.choice((8, 15, 30, 60)))
