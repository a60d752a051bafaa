r"""Gates as three kinds of operation: rotations about X or Y, phases over Z strings, and permutations.

Every gate of the store is a product of these. A phase over Z strings multiplies the amplitude of row $r$ by
$\exp(i \varphi \sum_m c_m (-1)^{|r \wedge m|})$, where bit $q$ of the mask $m$ says whether $Z_q$ is in the string;
phases commute with each other, so that any number of them become one multiplication.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ketbase.circuits.types import Angle, Gate

type Axis = Literal["x", "y"]
type Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rotation:
    r"""$\exp(-i \theta P_q / 2)$ for a Pauli operator X or Y, where the control, if there is one, is 1."""

    axis: Axis
    qubit: int
    angle: Angle
    control: int | None = None

    @property
    def qubits(self) -> tuple[int, ...]:
        """All that it acts on."""
        return (self.qubit,) if self.control is None else (self.qubit, self.control)


@dataclass(frozen=True, slots=True)
class Phase:
    r"""$\exp(i \varphi \sum_m c_m Z^m)$.

    Attributes:
        strings: the coefficient $c_m$ of each mask $m$; mask 0 is a global phase.
    """

    angle: Angle
    strings: Mapping[int, float]

    @property
    def qubits(self) -> tuple[int, ...]:
        """All that it acts on."""
        together = 0
        for mask in self.strings:
            together |= mask
        return tuple(qubit for qubit in range(together.bit_length()) if together >> qubit & 1)


@dataclass(frozen=True, slots=True)
class Permutation:
    """Moves the amplitude of each row to another.

    Attributes:
        move: gives for rows, as an array of integers, where they go.
    """

    qubits: tuple[int, ...]
    move: Callable[[Rows], Rows]


type Primitive = Rotation | Phase | Permutation


def primitives(gate: Gate) -> Iterator[Primitive]:
    """Say what a gate is made of, in the order in which it acts; a product is equal to the gate, phase included.

    Raises:
        KeyError: not a gate, such as `MEASURE`.
    """
    yield from _PRODUCTS[gate.type](*gate.targets, *gate.angles)


def _ones(angle: Angle, *qubits: int) -> Phase:
    """Multiply by the phase where all qubits are 1: the product of all (1 − Z)/2."""
    strings = {0: 1.0}
    for qubit in qubits:
        strings |= {mask | 1 << qubit: -coefficient for mask, coefficient in strings.items()}
    return Phase(angle, {mask: coefficient / 2 ** len(qubits) for mask, coefficient in strings.items()})


def _rz(qubit: int, angle: Angle) -> Phase:
    return Phase(angle, {1 << qubit: -0.5})


def _rzz(a: int, b: int, angle: Angle) -> Phase:
    return Phase(angle, {1 << a | 1 << b: -0.5})


def _crz(control: int, target: int, angle: Angle) -> Phase:
    return Phase(angle, {1 << target: -0.25, 1 << target | 1 << control: 0.25})


def _global(angle: float) -> Phase:
    return Phase(angle, {0: 1.0})


def _not(target: int, *controls: int) -> Permutation:
    mask = sum(1 << control for control in controls)
    return Permutation((target, *controls), lambda rows: np.where(rows & mask == mask, rows ^ 1 << target, rows))


def _swap(a: int, b: int, control: int | None = None) -> Permutation:
    mask = 0 if control is None else 1 << control

    def move(rows: Rows) -> Rows:
        differ = ((rows >> a ^ rows >> b) & 1).astype(bool) & (rows & mask == mask)
        return np.where(differ, rows ^ (1 << a | 1 << b), rows)

    return Permutation((a, b) if control is None else (a, b, control), move)


def _h(q: int) -> tuple[Primitive, ...]:
    return _ones(math.pi, q), Rotation("y", q, math.pi / 2)


def _ecr(a: int, b: int) -> tuple[Primitive, ...]:
    return *_h(b), _rzz(a, b, math.pi / 2), *_h(b), _not(a)


_QUARTER = math.pi / 2

_PRODUCTS: dict[str, Callable[..., tuple[Primitive, ...]]] = {
    "ID": lambda _q: (),
    "BARRIER": lambda *_qubits: (),
    "X": lambda q: (_not(q),),
    "Y": lambda q: (_ones(math.pi, q), _not(q), _global(_QUARTER)),
    "Z": lambda q: (_ones(math.pi, q),),
    "H": _h,
    "S": lambda q: (_ones(_QUARTER, q),),
    "SDG": lambda q: (_ones(-_QUARTER, q),),
    "T": lambda q: (_ones(math.pi / 4, q),),
    "TDG": lambda q: (_ones(-math.pi / 4, q),),
    "SX": lambda q: (Rotation("x", q, _QUARTER), _global(math.pi / 4)),
    "SXDG": lambda q: (Rotation("x", q, -_QUARTER), _global(-math.pi / 4)),
    "RX": lambda q, theta: (Rotation("x", q, theta),),
    "RY": lambda q, theta: (Rotation("y", q, theta),),
    "RZ": lambda q, theta: (_rz(q, theta),),
    "P": lambda q, angle: (_ones(angle, q),),
    "U": lambda q, theta, phi, angle: (_ones(angle, q), Rotation("y", q, theta), _ones(phi, q)),
    "CNOT": lambda c, t: (_not(t, c),),
    "CY": lambda c, t: (_ones(-_QUARTER, t), _not(t, c), _ones(_QUARTER, t)),
    "CZ": lambda c, t: (_ones(math.pi, c, t),),
    "CH": lambda c, t: (Rotation("y", t, -math.pi / 4), _ones(math.pi, c, t), Rotation("y", t, math.pi / 4)),
    "CP": lambda c, t, angle: (_ones(angle, c, t),),
    "CRX": lambda c, t, theta: (Rotation("x", t, theta, c),),
    "CRY": lambda c, t, theta: (Rotation("y", t, theta, c),),
    "CRZ": lambda c, t, theta: (_crz(c, t, theta),),
    "SWAP": lambda a, b: (_swap(a, b),),
    "ISWAP": lambda a, b: (_ones(_QUARTER, a), _ones(_QUARTER, b), _ones(math.pi, a, b), _swap(a, b)),
    "ECR": _ecr,
    "RXX": lambda a, b, theta: (
        *(Rotation("y", q, -_QUARTER) for q in (a, b)),
        _rzz(a, b, theta),
        *(Rotation("y", q, _QUARTER) for q in (a, b)),
    ),
    "RYY": lambda a, b, theta: (
        *(Rotation("x", q, _QUARTER) for q in (a, b)),
        _rzz(a, b, theta),
        *(Rotation("x", q, -_QUARTER) for q in (a, b)),
    ),
    "RZZ": lambda a, b, theta: (_rzz(a, b, theta),),
    "CCX": lambda a, b, t: (_not(t, a, b),),
    "CCZ": lambda a, b, c: (_ones(math.pi, a, b, c),),
    "CSWAP": lambda c, a, b: (_swap(a, b, c),),
}
