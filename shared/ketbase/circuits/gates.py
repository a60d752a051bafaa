"""The gates a JSON circuit may use: their names, how many qubits they act on, and their angles."""

from typing import NamedTuple


class GateKind(NamedTuple):
    """One kind of operation.

    Attributes:
        qubits: how many targets; 0 means any number from one up. Controls come first.
        angles: names of the angles (radians), in the order of the OpenQASM gate.
    """

    qubits: int
    angles: tuple[str, ...] = ()


GATES: dict[str, GateKind] = {
    "ID": GateKind(1),
    "X": GateKind(1),
    "Y": GateKind(1),
    "Z": GateKind(1),
    "H": GateKind(1),
    "S": GateKind(1),
    "SDG": GateKind(1),
    "T": GateKind(1),
    "TDG": GateKind(1),
    "SX": GateKind(1),
    "SXDG": GateKind(1),
    "RX": GateKind(1, ("theta",)),
    "RY": GateKind(1, ("theta",)),
    "RZ": GateKind(1, ("theta",)),
    "P": GateKind(1, ("lambda",)),
    "U": GateKind(1, ("theta", "phi", "lambda")),
    "CNOT": GateKind(2),
    "CY": GateKind(2),
    "CZ": GateKind(2),
    "CH": GateKind(2),
    "CP": GateKind(2, ("lambda",)),
    "CRX": GateKind(2, ("theta",)),
    "CRY": GateKind(2, ("theta",)),
    "CRZ": GateKind(2, ("theta",)),
    "SWAP": GateKind(2),
    "ISWAP": GateKind(2),
    "ECR": GateKind(2),
    "RXX": GateKind(2, ("theta",)),
    "RYY": GateKind(2, ("theta",)),
    "RZZ": GateKind(2, ("theta",)),
    "CCX": GateKind(3),
    "CCZ": GateKind(3),
    "CSWAP": GateKind(3),
    "MEASURE": GateKind(1),
    "RESET": GateKind(1),
    "BARRIER": GateKind(0),
}
"""Every operation of the unified form; `MEASURE`, `RESET` and `BARRIER` are operations but not gates."""

ALIASES: dict[str, str] = {
    "I": "ID",
    "CX": "CNOT",
    "PHASE": "P",
    "CPHASE": "CP",
    "U3": "U",
    "TOFFOLI": "CCX",
    "FREDKIN": "CSWAP",
    "M": "MEASURE",
}
"""Other names people use, and the name each is stored under."""

NOT_GATES = frozenset({"MEASURE", "RESET", "BARRIER"})
