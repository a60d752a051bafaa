"""Forms of a circuit: different sequences of gates that do the same, before any machine is thought of."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from qiskit import generate_preset_pass_manager, transpile
from qiskit.circuit import Barrier, QuantumCircuit
from qiskit.passmanager import DoWhileController
from qiskit.transpiler import PassManager
from qiskit.transpiler.passes import ElidePermutations, FixedPoint, RemoveDiagonalGatesBeforeMeasure, Size

from ketbase.quantum.optimization.subject import Subject

GATES = ["u", "cx"]
"""What every form but the first is made of."""
_OWN_GATES = [
    *(
        "u",
        "u1",
        "u2",
        "u3",
        "id",
        "x",
        "y",
        "z",
        "h",
        "s",
        "sdg",
        "t",
        "tdg",
        "sx",
        "sxdg",
        "rx",
        "ry",
        "rz",
        "p",
        "r",
    ),
    *("cx", "cy", "cz", "ch", "cp", "cu1", "crx", "cry", "crz", "cs", "csdg", "csx", "cu", "cu3", "dcx", "ecr"),
    *("rxx", "ryy", "rzz", "rzx", "swap", "iswap", "xx_minus_yy", "xx_plus_yy"),
]


class Form(NamedTuple):
    """A circuit that does what the subject's core does, up to where its qubits end up.

    Attributes:
        name: how it was made.
        circuit: gates on one and two qubits; no measurements.
        ends: for each of the subject's qubits, the qubit of this circuit on which it ends.
    """

    name: str
    circuit: QuantumCircuit
    ends: tuple[int, ...]

    @property
    def cost(self) -> int:
        """How many gates on two qubits it has."""
        return two_qubit_gates(self.circuit)

    def then(self, name: str, circuit: QuantumCircuit, ends: Sequence[int]) -> "Form":
        """Return a form made from this one's circuit, whose qubits end on `ends`."""
        return Form(name, circuit, tuple(ends[end] for end in self.ends))


def own_form(subject: Subject) -> Form:
    """Return the subject's own gates, larger ones expanded, and what no measurement sees dropped.

    Raises:
        ValueError: the subject has no unitary core.
    """
    if subject.core is None:
        raise ValueError("the circuit has no unitary core")
    short = transpile(subject.circuit, basis_gates=[*_OWN_GATES, "measure"], optimization_level=0)
    layer_by_layer = DoWhileController(
        [RemoveDiagonalGatesBeforeMeasure(), Size(), FixedPoint("size")],
        do_while=lambda found: not found["size_fixed_point"],
    )
    return _unmeasured("own gates", PassManager([ElidePermutations(), layer_by_layer]).run(short))


def qiskit_form(subject: Subject) -> Form:
    """Return the form that Qiskit makes of the subject at level 3, without a machine."""
    return _unmeasured("tidied", _optimisation().run(subject.circuit))


def tidied(form: Form) -> Form:
    """Return a form of `u` and `cx` by Qiskit's optimisation at level 3, without a machine."""
    made = _optimisation().run(form.circuit)
    return form.then(form.name, made, ends_of(made, form.circuit.num_qubits))


@cache
def _optimisation() -> PassManager:
    return generate_preset_pass_manager(3, basis_gates=[*GATES, "measure"], seed_transpiler=0)


def _unmeasured(name: str, made: QuantumCircuit) -> Form:
    bare = QuantumCircuit(made.num_qubits, global_phase=made.global_phase)
    for instruction in made.data:
        if instruction.operation.name not in ("measure", "barrier"):
            bare.append(instruction.operation, [made.find_bit(qubit).index for qubit in instruction.qubits])
    return Form(name, bare, ends_of(made, made.num_qubits))


def ends_of(made: QuantumCircuit, n_qubits: int) -> tuple[int, ...]:
    """Return where each qubit of a circuit ends after Qiskit's passes."""
    if made.layout is None:
        return tuple(range(n_qubits))
    return tuple(made.layout.final_index_layout(filter_ancillas=True))


def begins_of(made: QuantumCircuit, n_qubits: int) -> tuple[int, ...]:
    """Return where each qubit of a circuit starts after Qiskit's passes."""
    if made.layout is None:
        return tuple(range(n_qubits))
    return tuple(made.layout.initial_index_layout(filter_ancillas=True))


def two_qubit_gates(circuit: QuantumCircuit) -> int:
    """Return how many gates act on two qubits or more."""
    return sum(is_interaction(instruction.operation) for instruction in circuit.data)


def is_interaction(operation: Any) -> bool:
    """Whether an operation is a gate on two qubits or more."""
    return operation.num_qubits > 1 and not isinstance(operation, Barrier)
