"""A statevector simulator of IonQ's gates, written from their definitions and knowing no SDK.

Qubit 0 is the least significant bit of a state's number. The definitions are those of IonQ's documentation: the gates of
quantum information science with rotations exp(−iθP/2) in radians, and the native gates in turns,

    GPI(φ) = cos(2πφ)·X + sin(2πφ)·Y,  GPI2(φ) = exp(−iπ/4·GPI(φ)),
    MS(φ₀, φ₁, θ) = exp(−iπθ·GPI(φ₀)⊗GPI(φ₁)),  ZZ(θ) = exp(−iπθ·Z⊗Z).

Noise is a depolarising channel behind each gate, as IonQ documents its models: of strength r, it puts each Pauli but the
identity behind the gate with probability r/4 on one qubit, r/16 on two. A gate with more qubits counts as one on its
first two. What readout adds, and what a gate becomes natively, is left out.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

type Matrix = NDArray[np.complex128]

I2 = np.eye(2, dtype=complex)
X = np.array([[0, 1], [1, 0]], dtype=complex)
Y = np.array([[0, -1j], [1j, 0]], dtype=complex)
Z = np.array([[1, 0], [0, -1]], dtype=complex)
PAULIS = (I2, X, Y, Z)

_FIXED: dict[str, Matrix] = {
    "x": X,
    "not": X,
    "cnot": X,
    "y": Y,
    "z": Z,
    "h": (X + Z) / math.sqrt(2),
    "s": np.diag([1, 1j]),
    "si": np.diag([1, -1j]),
    "t": np.diag([1, np.exp(1j * math.pi / 4)]),
    "ti": np.diag([1, np.exp(-1j * math.pi / 4)]),
    "v": np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2,
    "vi": np.array([[1 - 1j, 1 + 1j], [1 + 1j, 1 - 1j]]) / 2,
    "swap": np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], dtype=complex),
}
_ROTATIONS: dict[str, Matrix] = {
    "rx": X,
    "ry": Y,
    "rz": Z,
    "xx": np.kron(X, X),
    "yy": np.kron(Y, Y),
    "zz": np.kron(Z, Z),
}
QIS = frozenset(_FIXED) | frozenset(_ROTATIONS)
NATIVE = frozenset({"gpi", "gpi2", "ms", "zz", "nop"})


@dataclass(frozen=True)
class Noise:
    """The strengths of a noise model."""

    one_qubit: float
    two_qubits: float


NOISE = {
    "aria-1": Noise(0.0005, 0.0133),
    "aria-2": Noise(0.00065733, 0.01856),
    "forte-1": Noise(0.00026667, 0.00494933),
}
"""As docs.ionq.com gives them under Simulation with Noise Models."""


@dataclass(frozen=True)
class Step:
    """A gate that is ready to be applied; the first target is the most significant bit of its matrix."""

    matrix: Matrix
    targets: tuple[int, ...]
    controls: tuple[int, ...] = ()

    @property
    def qubits(self) -> tuple[int, ...]:
        return (*self.controls, *self.targets)


def qis(gate: str, targets: Sequence[int], controls: Sequence[int], rotation: float | None) -> Step:
    """A gate of the set `qis`; raises KeyError for one that is not in it."""
    if gate in _ROTATIONS:
        matrix = _exponential(_ROTATIONS[gate], (rotation or 0.0) / 2)
    elif gate == "z" and rotation is not None:
        matrix = np.diag([1, np.exp(1j * rotation)])  # what qiskit-ionq means by it
    else:
        matrix = _FIXED[gate]
    return Step(matrix, tuple(targets), tuple(controls))


def native(gate: str, targets: Sequence[int], phases: Sequence[float], angle: float | None) -> Step:
    """A native gate; raises KeyError for one that is not."""
    where = tuple(targets)
    if gate == "gpi":
        return Step(_equator(phases[0]), where)
    if gate == "gpi2":
        return Step(_exponential(_equator(phases[0]), math.pi / 4), where)
    if gate == "ms":
        both = np.kron(_equator(phases[0]), _equator(phases[1]))
        return Step(_exponential(both, math.pi * (0.25 if angle is None else angle)), where)
    if gate == "zz":
        return Step(_exponential(np.kron(Z, Z), math.pi * (0.25 if angle is None else angle)), where)
    if gate == "nop":
        return Step(np.eye(2 ** len(where), dtype=complex), where)
    raise KeyError(gate)


def probabilities(steps: Sequence[Step], n_qubits: int) -> dict[int, float]:
    """The exact distribution over states."""
    state = _start(1, n_qubits)
    for step in steps:
        _apply(state, step, n_qubits)
    exact = np.abs(state.reshape(-1)) ** 2
    return {int(number): float(exact[number]) for number in np.flatnonzero(exact > 1e-15)}


def sampled(steps: Sequence[Step], n_qubits: int, noise: Noise | None, shots: int, seed: int) -> dict[int, float]:
    """The shares of the shots, each simulated with errors of its own."""
    dice = np.random.default_rng(seed)
    counted: dict[int, int] = {}
    at_once = shots if noise is None else max(1, 2**22 >> n_qubits)
    for first in range(0, shots, at_once):
        some = min(at_once, shots - first)
        state = _start(1 if noise is None else some, n_qubits)
        for step in steps:
            _apply(state, step, n_qubits)
            if noise is not None:
                _err(state, step.qubits, n_qubits, noise, dice)
        weights = np.abs(state.reshape(state.shape[0], -1)) ** 2
        edges = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
        drawn = dice.random(some)
        found = np.searchsorted(edges[0], drawn) if noise is None else (edges < drawn[:, None]).sum(axis=1)
        for number in np.minimum(found, 2**n_qubits - 1):
            counted[int(number)] = counted.get(int(number), 0) + 1
    return {number: times / shots for number, times in sorted(counted.items())}


def unitary(steps: Sequence[Step], n_qubits: int) -> Matrix:
    """The matrix of some gates, qubit 0 the least significant bit of rows and columns."""
    copies = np.eye(2**n_qubits, dtype=complex).reshape(-1, *(2,) * n_qubits)
    for step in steps:
        _apply(copies, step, n_qubits)
    return copies.reshape(2**n_qubits, -1).T


def _start(copies: int, n_qubits: int) -> Matrix:
    state = np.zeros((copies, *(2,) * n_qubits), dtype=complex)
    state[(slice(None), *(0,) * n_qubits)] = 1
    return state


def _apply(state: Matrix, step: Step, n_qubits: int) -> None:
    """Multiply in place; axis 0 counts copies, and qubit q lies at axis n − q."""
    chosen: list[slice | int] = [slice(None)] * (n_qubits + 1)
    for control in step.controls:
        chosen[n_qubits - control] = 1
    part = state[tuple(chosen)]
    kept = [axis for axis, index in enumerate(chosen) if index != 1]
    axes = [kept.index(n_qubits - target) for target in step.targets]
    k = len(axes)
    product = np.tensordot(step.matrix.reshape((2,) * 2 * k), part, axes=(range(k, 2 * k), axes))
    state[tuple(chosen)] = np.moveaxis(product, range(k), axes)


def _err(state: Matrix, qubits: tuple[int, ...], n_qubits: int, noise: Noise, dice: np.random.Generator) -> None:
    where = qubits[:2]
    strength = noise.one_qubit if len(where) == 1 else noise.two_qubits
    errors = list(itertools.product(range(4), repeat=len(where)))
    chances = np.full(len(errors), strength / len(errors))
    chances[0] += 1 - strength
    drawn = dice.choice(len(errors), size=state.shape[0], p=chances)
    for kind in np.unique(drawn[drawn > 0]):
        hit = drawn == kind
        struck = state[hit]
        for pauli, qubit in zip(errors[kind], where, strict=True):
            _apply(struck, Step(PAULIS[pauli], (qubit,)), n_qubits)
        state[hit] = struck


def _equator(turns: float) -> Matrix:
    return math.cos(2 * math.pi * turns) * X + math.sin(2 * math.pi * turns) * Y


def _exponential(generator: Matrix, angle: float) -> Matrix:
    """exp(−i·angle·G) of a G whose square is 1."""
    return math.cos(angle) * np.eye(len(generator)) - 1j * math.sin(angle) * generator
