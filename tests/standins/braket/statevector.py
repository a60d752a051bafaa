"""A simulator written from the definitions of Braket's gates in its developer guide; the first qubit is leftmost."""

import cmath
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

type Matrix = Any

_S = 1 / math.sqrt(2)


def _diagonal(*entries: complex) -> Matrix:
    return np.diag(np.array(entries, dtype=complex))


def _phase(angle: float) -> complex:
    return cmath.exp(1j * angle)


def _rx(angle: float) -> Matrix:
    c, s = math.cos(angle / 2), math.sin(angle / 2)
    return np.array([[c, -1j * s], [-1j * s, c]])


def _ry(angle: float) -> Matrix:
    c, s = math.cos(angle / 2), math.sin(angle / 2)
    return np.array([[c, -s], [s, c]], dtype=complex)


def _rz(angle: float) -> Matrix:
    return _diagonal(_phase(-angle / 2), _phase(angle / 2))


def _prx(angle: float, axis: float) -> Matrix:
    c, s = math.cos(angle / 2), math.sin(angle / 2)
    return np.array([[c, -1j * _phase(-axis) * s], [-1j * _phase(axis) * s, c]])


def _xx(angle: float) -> Matrix:
    c, s = math.cos(angle / 2), -1j * math.sin(angle / 2)
    return np.array([[c, 0, 0, s], [0, c, s, 0], [0, s, c, 0], [s, 0, 0, c]])


def _yy(angle: float) -> Matrix:
    c, s = math.cos(angle / 2), 1j * math.sin(angle / 2)
    return np.array([[c, 0, 0, s], [0, c, -s, 0], [0, -s, c, 0], [s, 0, 0, c]])


def _zz(angle: float) -> Matrix:
    low, high = _phase(-angle / 2), _phase(angle / 2)
    return _diagonal(low, high, high, low)


def _controlled(gate: Matrix) -> Matrix:
    """The first qubit controls."""
    whole = np.eye(2 * len(gate), dtype=complex)
    whole[len(gate) :, len(gate) :] = gate
    return whole


_X = np.array([[0, 1], [1, 0]], dtype=complex)
_Y = np.array([[0, -1j], [1j, 0]])
_Z = _diagonal(1, -1)
_V = np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2
_SWAP = np.eye(4, dtype=complex)[[0, 2, 1, 3]]

GATES: Mapping[str, Callable[..., Matrix]] = {
    "i": lambda: np.eye(2, dtype=complex),
    "h": lambda: np.array([[_S, _S], [_S, -_S]], dtype=complex),
    "x": lambda: _X,
    "y": lambda: _Y,
    "z": lambda: _Z,
    "s": lambda: _diagonal(1, 1j),
    "si": lambda: _diagonal(1, -1j),
    "t": lambda: _diagonal(1, _phase(math.pi / 4)),
    "ti": lambda: _diagonal(1, _phase(-math.pi / 4)),
    "v": lambda: _V,
    "vi": lambda: _V.conj().T,
    "rx": _rx,
    "ry": _ry,
    "rz": _rz,
    "prx": _prx,
    "phaseshift": lambda angle: _diagonal(1, _phase(angle)),
    "cnot": lambda: _controlled(_X),
    "cy": lambda: _controlled(_Y),
    "cz": lambda: _controlled(_Z),
    "cphaseshift": lambda angle: _diagonal(1, 1, 1, _phase(angle)),
    "swap": lambda: _SWAP,
    "iswap": lambda: np.array([[1, 0, 0, 0], [0, 0, 1j, 0], [0, 1j, 0, 0], [0, 0, 0, 1]]),
    "xx": _xx,
    "yy": _yy,
    "zz": _zz,
    "ccnot": lambda: _controlled(_controlled(_X)),
    "cswap": lambda: _controlled(_SWAP),
}


def probabilities(
    gates: Sequence[tuple[str, tuple[float, ...], tuple[int, ...]]], qubits: Sequence[int]
) -> np.ndarray[Any, Any]:
    """Run gates from |0…0⟩ and return the probability of each outcome, an axis of two for each of `qubits`."""
    axis = {qubit: position for position, qubit in enumerate(qubits)}
    state = np.zeros((2,) * len(qubits), dtype=complex)
    state[(0,) * len(qubits)] = 1
    for name, angles, where in gates:
        n = len(where)
        matrix = GATES[name](*angles).reshape((2,) * (2 * n))
        axes = [axis[qubit] for qubit in where]
        state = np.moveaxis(np.tensordot(matrix, state, (range(n, 2 * n), axes)), range(n), axes)
    return np.abs(state) ** 2


def sample(
    chances: np.ndarray[Any, Any], columns: Sequence[int], shots: int, dice: np.random.Generator
) -> np.ndarray[Any, Any]:
    """Draw shots: a row each, with a column for each axis of `columns`."""
    flat = chances.ravel() / chances.sum()
    drawn = dice.choice(flat.size, size=shots, p=flat)
    bits = np.array(np.unravel_index(drawn, chances.shape), dtype=np.uint8).T
    return bits[:, list(columns)]
