"""Forms made from a circuit's Pauli rotations: Clifford gates go to the end, the rest is synthesised as a network.

A circuit of Clifford gates and rotations is a sequence of rotations about Pauli strings, and a Clifford operation
(Litinski, arXiv:1808.02892). Networks of such rotations share their CX gates.
"""

from collections.abc import Callable
from typing import Any

from qiskit import transpile
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import Clifford
from qiskit.synthesis import synth_clifford_greedy, synth_pauli_network_mcts, synth_pauli_network_rustiq
from qiskit.transpiler.passes import LitinskiTransformation

from ketbase.quantum.optimization.forms import Form

_BASIS = ["rz", "sx", "x", "s", "sdg", "h", "cx"]
_ROTATIONS = frozenset({"rx", "ry", "rz"})

type Network = list[tuple[str, list[int], Any]]


def rustiq_form(form: Form) -> Form:
    """Synthesise greedily (Goubault de Brugière and Martiel, arXiv:2404.03280)."""
    return _resynthesised(
        form, "pauli network", lambda n, network: synth_pauli_network_rustiq(n, network, upto_clifford=True)
    )


def tree_search_form(form: Form, simulations: int) -> Form:
    """Synthesise by a tree search (Machiya et al., arXiv:2604.19029)."""
    return _resynthesised(
        form,
        "pauli tree search",
        lambda n, network: synth_pauli_network_mcts(n, network, upto_clifford=True, num_simulations=simulations),
    )


def _resynthesised(form: Form, name: str, synthesise: Callable[[int, Network], QuantumCircuit]) -> Form:
    network, rest = rotations_of(form.circuit)
    made = synthesise(form.circuit.num_qubits, network)
    skeleton = made.copy_empty_like()
    for instruction in made.data:
        if instruction.operation.name not in _ROTATIONS:
            skeleton._append(instruction)
    tail = Clifford(skeleton.inverse().compose(rest))
    return form.then(name, made.compose(synth_clifford_greedy(tail)), range(form.circuit.num_qubits))


def rotations_of(circuit: QuantumCircuit) -> tuple[Network, QuantumCircuit]:
    """Return a circuit's Pauli rotations, in order, and the Clifford circuit that follows them."""
    short = transpile(circuit, basis_gates=_BASIS, optimization_level=0)
    moved = LitinskiTransformation(use_ppr=True)(short)
    network: Network = []
    rest = QuantumCircuit(circuit.num_qubits)
    for instruction in moved.data:
        where = [moved.find_bit(qubit).index for qubit in instruction.qubits]
        if instruction.operation.name == "pauli_product_rotation":
            label = instruction.operation.pauli().to_label()  # the transformation puts signs into the angles
            network.append((label[::-1], where, instruction.operation.params[-1]))
        else:
            rest.append(instruction.operation, where)
    return network, rest
