r"""A circuit as its interactions alone: all gates on one qubit moved to the end, and what commutes made visible.

A gate :math:`u` on one qubit before a gate :math:`G` on two is the same as :math:`u^\dagger G u` before :math:`u`.
So every circuit is a sequence of interactions followed by one layer of gates on single qubits. In this form two
interactions that share a qubit commute if both turn it about the same axis, whatever Hadamards and rotations stood
between them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Instruction, QuantumCircuit
from qiskit.circuit.library import SwapGate

from ketbase.quantum.optimization.kernels import PARALLEL, gates_needed

SWAP = np.asarray(SwapGate().to_matrix(), dtype=np.complex128)
ANY_AXIS = 9.0
"""The mark of a qubit that an interaction leaves alone: it commutes with everything there."""

_PAULIS = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=np.complex128)
_ZERO = 1e-9

type Matrices = NDArray[np.complex128]
type Reals = NDArray[np.float64]
type Integers = NDArray[np.int64]


class Order(NamedTuple):
    """Which interaction must come before which; what commutes has no order.

    Attributes:
        waiting: (G,) how many interactions come directly before each.
        starts: (G + 1,) where the followers of each begin in `following`.
        following: the followers, one after the other.
    """

    waiting: Integers
    starts: Integers
    following: Integers


class Interactions(NamedTuple):
    """The gates on two qubits, in order.

    Attributes:
        n_qubits: of the circuit.
        pairs: (G, 2) the two qubits of each, ascending.
        matrices: (G, 4, 4) unitaries of determinant 1; the first qubit of the pair is the least significant.
        axes: (G, 2, 3) for each of the two qubits the axis that the interaction leaves alone, a unit vector; zeros
            where there is none, `ANY_AXIS` where every axis is.
        closing: (n_qubits, 2, 2) what is left to do at the end on each qubit.
    """

    n_qubits: int
    pairs: Integers
    matrices: Matrices
    axes: Reals
    closing: Matrices

    @property
    def cost(self) -> int:
        """How many CX gates the interactions need, each by itself."""
        return sum(gates_needed(matrix) for matrix in self.matrices)

    def order(self) -> Order:
        """Return what must come before what, qubit by qubit: groups about one axis, one group after the other."""
        before: list[set[int]] = [set() for _ in self.pairs]
        groups: list[list[int]] = [[] for _ in range(self.n_qubits)]
        earlier: list[list[int]] = [[] for _ in range(self.n_qubits)]
        axis_of = np.zeros((self.n_qubits, 3))
        for index, pair in enumerate(self.pairs):
            for side, qubit in enumerate(pair):
                axis = self.axes[index, side]
                if not (_is_axis(axis) and _is_axis(axis_of[qubit]) and _parallel(axis, axis_of[qubit])):
                    earlier[qubit], groups[qubit] = groups[qubit], []
                    axis_of[qubit] = axis
                before[index].update(earlier[qubit])
                groups[qubit].append(index)
        followers: list[list[int]] = [[] for _ in self.pairs]
        for index, those in enumerate(before):
            for each in those:
                followers[each].append(index)
        return Order(
            waiting=np.array([len(those) for those in before], dtype=np.int64),
            starts=np.cumsum([0, *(len(those) for those in followers)], dtype=np.int64),
            following=np.array([index for those in followers for index in sorted(those)], dtype=np.int64),
        )

    def backwards(self) -> "Interactions":
        """Return the inverse, without what is left to do on single qubits."""
        return self._replace(
            pairs=np.ascontiguousarray(self.pairs[::-1]),
            matrices=np.ascontiguousarray(self.matrices[::-1].conj().transpose(0, 2, 1)),
            axes=np.ascontiguousarray(self.axes[::-1]),
        )


def interactions_of(circuit: QuantumCircuit, *, merge: bool = True) -> Interactions:
    """Read a circuit of gates on one and two qubits without free parameters.

    Args:
        circuit: barriers and measurements in it are passed over.
        merge: whether gates on the same pair that nothing separates become one interaction where that saves gates.
    """
    closing = np.tile(np.eye(2, dtype=np.complex128), (circuit.num_qubits, 1, 1))
    pairs: list[tuple[int, int]] = []
    matrices: list[Matrices] = []
    latest = [-1] * circuit.num_qubits
    for instruction in circuit.data:
        if instruction.operation.name in ("barrier", "measure"):
            continue
        where = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        matrix = _matrix(instruction.operation)
        if len(where) == 1:
            closing[where[0]] = matrix @ closing[where[0]]
            continue
        first, second = where
        frame = np.kron(closing[second], closing[first])
        matrix = special(frame.conj().T @ matrix @ frame)
        if first > second:
            first, second, matrix = second, first, SWAP @ matrix @ SWAP
        index = latest[first]
        if merge and index >= 0 and index == latest[second]:
            product = matrix @ matrices[index]
            if gates_needed(product) < gates_needed(matrix) + gates_needed(matrices[index]):
                matrices[index] = product
                continue
        latest[first] = latest[second] = len(pairs)
        pairs.append((first, second))
        matrices.append(matrix)
    return Interactions(
        n_qubits=circuit.num_qubits,
        pairs=np.array(pairs, dtype=np.int64).reshape(-1, 2),
        matrices=np.array(matrices, dtype=np.complex128).reshape(-1, 4, 4),
        axes=np.array([[axis_of(matrix, side) for side in (0, 1)] for matrix in matrices]).reshape(-1, 2, 3),
        closing=closing,
    )


def special(matrix: Matrices) -> Matrices:
    """Return a unitary of four rows with determinant 1."""
    determinant: complex = np.linalg.det(matrix)
    return np.asarray(matrix / determinant**0.25)


def axis_of(matrix: Matrices, side: int) -> Reals:
    """Return the axis about which an interaction turns its first (0) or second (1) qubit, as in `Interactions`."""
    tensor = matrix.reshape(2, 2, 2, 2)  # out: second, first; in: second, first
    parts = (tensor.transpose(0, 2, 1, 3) if side == 0 else tensor.transpose(1, 3, 0, 2)).reshape(4, 2, 2)
    vectors = np.einsum("pij,kji->kp", _PAULIS, parts) / 2
    _, sizes, axes = np.linalg.svd(np.concatenate([vectors.real, vectors.imag]), full_matrices=False)
    if sizes[0] < _ZERO:
        return np.full(3, ANY_AXIS)
    return np.zeros(3) if sizes[1] > PARALLEL * sizes[0] else np.asarray(axes[0])


def _matrix(operation: Instruction) -> Matrices:
    return np.asarray(operation.to_matrix(), dtype=np.complex128)


def _is_axis(axis: Reals) -> bool:
    return bool(axis.any()) and axis[0] < ANY_AXIS


def _parallel(one: Reals, other: Reals) -> bool:
    return bool(np.linalg.norm(np.cross(one, other)) < PARALLEL)
