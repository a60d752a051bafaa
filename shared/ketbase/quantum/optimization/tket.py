"""Forms that pytket's optimisations make.

The circuits are carried over here: the converter of `pytket-qiskit` loads IBM's provider with it, for seconds.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from qiskit import transpile
from qiskit.circuit import Parameter, ParameterExpression, QuantumCircuit

from ketbase.quantum.optimization.forms import GATES, Form

HALF_TURN = math.pi
"""pytket counts angles in half turns."""


def clifford_form(form: Form) -> Form:
    """Simplify runs of Clifford gates (`CliffordSimp`)."""
    from pytket.passes import CliffordSimp

    return _rewritten(form, "clifford", lambda circuit: CliffordSimp(allow_swaps=True).apply(circuit))


def peephole_form(form: Form) -> Form:
    """Resynthesise runs of gates on two and three qubits (`FullPeepholeOptimise`)."""
    from pytket.passes import FullPeepholeOptimise

    return _rewritten(form, "peephole", lambda circuit: FullPeepholeOptimise(allow_swaps=True).apply(circuit))


def gadget_form(form: Form, *, discount: float, depth_weight: float, seed: int, limit_s: float) -> Form:
    """Take the circuit for a graph of Pauli rotations and synthesise it anew (`GreedyPauliSimp`).

    Args:
        form: what to start from.
        discount: how much less a rotation further on counts, for each step.
        depth_weight: how much depth counts beside the number of gates.
        seed: of what is drawn at random.
        limit_s: when to give up; whole seconds, 1 at least.
    """
    from pytket.passes import GreedyPauliSimp

    simplify = GreedyPauliSimp(
        discount_rate=discount, depth_weight=depth_weight, seed=seed, thread_timeout=max(1, math.ceil(limit_s))
    )
    return _rewritten(form, "pauli gadgets", simplify.apply)


def _rewritten(form: Form, name: str, apply: Callable[[Any], Any]) -> Form:
    from pytket.circuit import OpType
    from pytket.passes import AutoRebase

    short = form.circuit
    if not set(short.count_ops()) <= set(GATES):
        short = transpile(short, basis_gates=GATES, optimization_level=0)
    rebase = AutoRebase({OpType.CX, OpType.Rz, OpType.Rx})
    carried = to_tket(short)
    rebase.apply(carried)
    apply(carried)
    rebase.apply(carried)
    wires = carried.implicit_qubit_permutation()
    ends = [0] * short.num_qubits
    for wire, qubit in wires.items():  # the wire that begins as one qubit ends as another
        ends[qubit.index[0]] = wire.index[0]
    return form.then(
        name, from_tket(carried, {each.name: each for each in short.parameters}, short.num_qubits), ends
    )


def to_tket(circuit: QuantumCircuit) -> Any:
    """Carry a circuit of `u` and `cx` over to pytket, without its global phase."""
    from pytket.circuit import Circuit, OpType

    carried = Circuit(circuit.num_qubits)
    for instruction in circuit.data:
        where = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if instruction.operation.name == "cx":
            carried.add_gate(OpType.CX, where)
        else:
            carried.add_gate(OpType.U3, [_half_turns(angle) for angle in instruction.operation.params], where)
    return carried


def from_tket(carried: Any, parameters: Mapping[str, Parameter], n_qubits: int) -> QuantumCircuit:
    """Carry a circuit of `CX`, `Rz` and `Rx` back onto so many qubits; where they end is not in it."""
    from pytket.circuit import OpType

    circuit = QuantumCircuit(n_qubits)
    for command in carried:
        where = [qubit.index[0] for qubit in command.qubits]
        if command.op.type == OpType.CX:
            circuit.cx(*where)
        elif command.op.type == OpType.Rz:
            circuit.rz(_radians(command.op.params[0], parameters), *where)
        elif command.op.type == OpType.Rx:
            circuit.rx(_radians(command.op.params[0], parameters), *where)
        else:
            raise ValueError(f"{command.op.type} is none of the gates that were asked for")
    return circuit


def _half_turns(angle: float | ParameterExpression) -> Any:
    if isinstance(angle, ParameterExpression):
        return angle.sympify() / _exact_pi()
    return angle / HALF_TURN


def _radians(angle: Any, parameters: Mapping[str, Parameter]) -> float | ParameterExpression:
    if isinstance(angle, (int, float)):
        return angle * HALF_TURN
    from sympy import lambdify

    names = sorted(str(symbol) for symbol in angle.free_symbols)
    value = lambdify(names, angle * _exact_pi(), modules="math")(*(parameters[name] for name in names))
    return value if isinstance(value, ParameterExpression) else float(value)


def _exact_pi() -> Any:
    from sympy import pi

    return pi
