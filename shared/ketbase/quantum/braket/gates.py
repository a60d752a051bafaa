"""Qiskit's gates in Braket's words.

Each way of writing names Qiskit's gate and gives Braket's for its angles, in radians: the same matrix, up to a
global phase. Braket's definitions are those of its developer guide, "Gates and devices".
"""

import math
from collections.abc import Callable, Mapping

from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import standard_gates as std

type Written = tuple[str, tuple[float, ...]]
"""Braket's name of a gate, and its angles."""
type Writing = Mapping[str, Callable[..., Written]]

_HALF, _QUARTER = math.pi, math.pi / 2


def _named(name: str) -> Callable[..., Written]:
    return lambda *angles: (name, angles)


def _fixed(name: str, *angles: float) -> Callable[..., Written]:
    return lambda: (name, angles)


_NAMES = {
    "id": "i",
    "h": "h",
    "x": "x",
    "y": "y",
    "z": "z",
    "s": "s",
    "sdg": "si",
    "t": "t",
    "tdg": "ti",
    "sx": "v",
    "sxdg": "vi",
    "rx": "rx",
    "ry": "ry",
    "rz": "rz",
    "p": "phaseshift",
    "cx": "cnot",
    "cy": "cy",
    "cz": "cz",
    "cp": "cphaseshift",
    "swap": "swap",
    "iswap": "iswap",
    "rxx": "xx",
    "ryy": "yy",
    "rzz": "zz",
    "ccx": "ccnot",
    "cswap": "cswap",
}

PORTABLE: Writing = {qiskit: _named(braket) for qiskit, braket in _NAMES.items()}
"""What Braket compiles for whatever device it is; a device's `supportedOperations` say which of them it takes."""

PRX: Writing = {
    "r": _named("prx"),
    "rx": lambda theta: ("prx", (theta, 0.0)),
    "ry": lambda theta: ("prx", (theta, _QUARTER)),
    "x": _fixed("prx", _HALF, 0.0),
    "y": _fixed("prx", _HALF, _QUARTER),
    "sx": _fixed("prx", _QUARTER, 0.0),
    "sxdg": _fixed("prx", -_QUARTER, 0.0),
    "id": _fixed("prx", 0.0, 0.0),
}
"""The native gates of IQM's machines on one qubit: rotations about any axis of the equator."""

RX_RZ: Writing = {
    "rz": _named("rz"),
    "p": _named("rz"),
    "z": _fixed("rz", _HALF),
    "s": _fixed("rz", _QUARTER),
    "sdg": _fixed("rz", -_QUARTER),
    "t": _fixed("rz", _QUARTER / 2),
    "tdg": _fixed("rz", -_QUARTER / 2),
    "x": _fixed("rx", _HALF),
    "sx": _fixed("rx", _QUARTER),
    "sxdg": _fixed("rx", -_QUARTER),
    "id": _fixed("rz", 0.0),
}
"""Those of Rigetti's: any turn about z, which takes no time, and quarter and half turns about x."""

NATIVE_PAIRS: Writing = {"cz": _named("cz"), "iswap": _named("iswap")}
"""Native gates on two qubits, the same either way around; a machine has one of them, or both."""

_ANGLES = {"rx": 1, "ry": 1, "rz": 1, "p": 1, "cp": 1, "rxx": 1, "ryy": 1, "rzz": 1, "r": 2}
_CLASSES = {
    kind().name: kind
    for kind in (
        std.IGate,
        std.HGate,
        std.XGate,
        std.YGate,
        std.ZGate,
        std.SGate,
        std.SdgGate,
        std.TGate,
        std.TdgGate,
        std.SXGate,
        std.SXdgGate,
        std.CXGate,
        std.CYGate,
        std.CZGate,
        std.SwapGate,
        std.iSwapGate,
        std.CCXGate,
        std.CSwapGate,
    )
} | {
    "rx": std.RXGate,
    "ry": std.RYGate,
    "rz": std.RZGate,
    "p": std.PhaseGate,
    "cp": std.CPhaseGate,
    "rxx": std.RXXGate,
    "ryy": std.RYYGate,
    "rzz": std.RZZGate,
    "r": std.RGate,
}


def gate(name: str) -> Gate:
    """Return Qiskit's gate of that name, with free angles."""
    return _CLASSES[name](*(Parameter(f"angle_{number}") for number in range(_ANGLES.get(name, 0))))


def braket_name(name: str) -> str:
    """Return Braket's name of a portable gate."""
    return _NAMES[name]
