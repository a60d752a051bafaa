"""Python files that hold a model and need nothing of Ketbase: for Qiskit, and for PennyLane."""

from collections.abc import Iterator, Mapping
from typing import Literal

from ketbase.circuits.types import Gate
from ketbase.errors import InvalidError
from ketbase.models.types import ModelSpec
from ketbase.quantum.inference import formulas
from ketbase.quantum.inference.exports import trained
from ketbase.quantum.training.inputs import Floats
from ketbase.training.circuits import qubits_needed
from ketbase.version import VERSION

_FUNCTIONS = {name: f"np.{name}" for name in ("sin", "cos", "tan", "exp", "log", "abs")} | {
    "asin": "np.arcsin",
    "acos": "np.arccos",
    "atan": "np.arctan",
}
_QISKIT = {"CNOT": "cx", "U": "u", "ISWAP": "iswap", "SXDG": "sxdg", "ID": "id"}
"""Methods of `QuantumCircuit` that are not the gate's name in small letters."""
_PENNYLANE = {
    "ID": "qml.Identity(",
    "X": "qml.PauliX(",
    "Y": "qml.PauliY(",
    "Z": "qml.PauliZ(",
    "H": "qml.Hadamard(",
    "S": "qml.S(",
    "SDG": "qml.adjoint(qml.S)(",
    "T": "qml.T(",
    "TDG": "qml.adjoint(qml.T)(",
    "SX": "qml.SX(",
    "SXDG": "qml.adjoint(qml.SX)(",
    "RX": "qml.RX(",
    "RY": "qml.RY(",
    "RZ": "qml.RZ(",
    "P": "qml.PhaseShift(",
    "U": "qml.U3(",
    "CNOT": "qml.CNOT(",
    "CY": "qml.CY(",
    "CZ": "qml.CZ(",
    "CH": "qml.CH(",
    "CP": "qml.ControlledPhaseShift(",
    "CRX": "qml.CRX(",
    "CRY": "qml.CRY(",
    "CRZ": "qml.CRZ(",
    "SWAP": "qml.SWAP(",
    "ISWAP": "qml.ISWAP(",
    "ECR": "qml.ECR(",
    "RXX": "qml.IsingXX(",
    "RYY": "qml.IsingYY(",
    "RZZ": "qml.IsingZZ(",
    "CCX": "qml.Toffoli(",
    "CCZ": "qml.CCZ(",
    "CSWAP": "qml.CSWAP(",
}
_SKIPPED = frozenset({"MEASURE", "BARRIER"})

_IMPORTS = {
    "qiskit": "import numpy as np\n"
    "from qiskit import QuantumCircuit\n"
    "from qiskit.quantum_info import Statevector\n",
    "pennylane": "import numpy as np\nimport pennylane as qml\n",
}
_STATES = {
    "qiskit": '''

def circuit(x):
    """The circuit of one sample."""
    qc = QuantumCircuit(N_QUBITS)
{gates}
    return qc


def state(x, start):
    """The state of one sample; qubit 0 is the least significant bit of an index."""
    begin = Statevector.from_int(0, 2**N_QUBITS) if start is None else Statevector(start)
    return begin.evolve(circuit(x)).data
''',
    "pennylane": '''

@qml.qnode(qml.device("default.qubit", wires=range(N_QUBITS - 1, -1, -1)))
def circuit(x, start):
    """The state of one sample; qubit 0 is the least significant bit of an index, unlike PennyLane's habit."""
    if start is not None:
        qml.StatePrep(start, wires=range(N_QUBITS - 1, -1, -1))
{gates}
    return qml.state()


def state(x, start):
    """The state of one sample, as an array."""
    return np.asarray(circuit(x, start))
''',
}


def snippet(spec: ModelSpec, arrays: Mapping[str, Floats], form: Literal["qiskit", "pennylane"]) -> str:
    """Write a model as a Python file, whose `predict(inputs)` gives the class probabilities of raw features.

    Raises:
        InvalidError: `NOT_EXPORTABLE`, the circuit has an operation that the SDK lacks.
    """
    names = trained(spec, arrays) | {feature: f"x[{number}]" for number, feature in enumerate(spec.features)}
    gates = [gate for gate in spec.definition.gates if gate.type not in _SKIPPED]
    line = _of_qiskit if form == "qiskit" else _of_pennylane
    body = "\n".join(f"    {line(gate, names)}" for gate in gates) or "    pass"
    parts = [
        f'"""A classifier exported by Ketbase {VERSION}.\n\n'
        f"predict(inputs) takes raw features, a row for each sample, and gives the probability of each class.\n"
        f'Needs numpy and {form}.\n"""\n',
        _IMPORTS[form],
        _numbers(spec, arrays),
        _preprocessing(spec, arrays),
        _STATES[form].format(gates=body),
        _head(spec),
        _PREDICT,
    ]
    return (
        "\n".join(part.strip("\n") + ("\n" if part is parts[0] else "\n\n") for part in parts).rstrip("\n") + "\n"
    )


def _of_qiskit(gate: Gate, names: Mapping[str, str]) -> str:
    angles = [f"float({formulas.written(angle, names, _FUNCTIONS)})" for angle in gate.angles]
    method = _QISKIT.get(gate.type, gate.type.lower())
    return f"qc.{method}({', '.join([*angles, *map(str, gate.targets)])})"


def _of_pennylane(gate: Gate, names: Mapping[str, str]) -> str:
    if gate.type not in _PENNYLANE:
        raise InvalidError("NOT_EXPORTABLE", f"PennyLane has no {gate.type}.", form="pennylane", gate=gate.type)
    angles = [formulas.written(angle, names, _FUNCTIONS) for angle in gate.angles]
    wires = f"wires={list(gate.targets)}"
    return f"{_PENNYLANE[gate.type]}{', '.join([*angles, wires])})"


def _numbers(spec: ModelSpec, arrays: Mapping[str, Floats]) -> str:
    lines = [
        f"CLASSES = {list(spec.classes)!r}",
        f"COLUMNS = {list(spec.columns)!r}",
        f"N_QUBITS = {spec.definition.n_qubits}",
    ]
    shown = ("mean", "std", "center", "components", "low", "high", "support", "dual", "intercept")
    lines += [f"{name.upper()} = np.array({arrays[name].tolist()!r})" for name in shown if name in arrays]
    return "\n".join(lines)


def _preprocessing(spec: ModelSpec, arrays: Mapping[str, Floats]) -> str:
    steps = ["columns = (np.asarray(inputs, dtype=float) - MEAN) / STD"]
    if "components" in arrays:
        steps.append("columns = (columns - CENTER) @ COMPONENTS.T")
    if "low" in arrays:
        steps.append("columns = (columns - LOW) * (np.pi / (HIGH - LOW))")
    encoding = ["return columns, [None] * len(columns)"]
    if spec.amplitude_encoding:
        encoding = [
            "start = np.zeros((len(columns), 2**N_QUBITS))",
            "start[:, : columns.shape[1]] = columns",
            "start[:, columns.shape[1] : columns.shape[1] + 1] = np.sqrt(columns.shape[1])",
            "norms = np.linalg.norm(start, axis=1)",
            "start[norms == 0, 0] = 1.0",
            "return columns, start / np.where(norms == 0, 1.0, norms)[:, None]",
        ]
    body = "\n".join(f"    {step}" for step in steps)
    rest = "\n".join(f"    {step}" for step in encoding)
    return (
        '\ndef preprocess(inputs):\n    """Raw features as the circuit takes them."""\n'
        f"{body}\n    return columns\n\n\n"
        'def encode(columns):\n    """What circuits begin in, where that is not |0...0>."""\n'
        f"{rest}\n"
    )


def _head(spec: ModelSpec) -> str:
    n_classes = len(spec.classes)
    lines = ["", "def head(columns):", '    """The probability of each class."""']
    lines += [f"    {line}" for line in _head_lines(spec, n_classes)]
    return "\n".join(lines)


def _head_lines(spec: ModelSpec, n_classes: int) -> Iterator[str]:
    softmax = "exps = np.exp(logits - logits.max(axis=1, keepdims=True))"
    if spec.head.readout == "kernel":
        yield "overlaps = np.abs(states(columns) @ states(SUPPORT).conj().T) ** 2"
        yield "margins = overlaps @ DUAL.T + INTERCEPT"
        yield f"votes, sums = np.zeros((2, len(columns), {n_classes}))"
        yield f"pairs = [(i, j) for i in range({n_classes}) for j in range(i + 1, {n_classes})]"
        yield "for pair, (i, j) in enumerate(pairs):"
        yield "    votes[:, i] += margins[:, pair] >= 0"
        yield "    votes[:, j] += margins[:, pair] < 0"
        yield "    sums[:, i] += margins[:, pair]"
        yield "    sums[:, j] -= margins[:, pair]"
        yield "scores = sums" if n_classes == 2 else "scores = votes + sums / (3 * (np.abs(sums) + 1))"
        yield f"logits = {spec.head.scale!r} * scores"
        yield softmax
        yield "return exps / exps.sum(axis=1, keepdims=True)"
        return
    needed = qubits_needed(spec.head.readout, n_classes)
    yield "chances = np.abs(states(columns)) ** 2"
    yield "rows = np.arange(2**N_QUBITS)"
    if spec.head.readout == "probabilities":
        yield f"outcomes = rows % {1 << needed} % {n_classes}"
        yield f"found = np.stack([chances[:, outcomes == k].sum(axis=1) for k in range({n_classes})], axis=1)"
        yield "return found / found.sum(axis=1, keepdims=True)"
        return
    yield f"z = np.stack([chances @ (1.0 - 2.0 * (rows >> k & 1)) for k in range({needed})], axis=1)"
    if n_classes == 2:
        yield "z = np.hstack([z, -z])"
    if spec.head.loss == "mse":
        yield "found = np.maximum((1 + z) / 2, 1e-12)"
        yield "return found / found.sum(axis=1, keepdims=True)"
        return
    yield f"logits = {spec.head.scale!r} * z"
    yield softmax
    yield "return exps / exps.sum(axis=1, keepdims=True)"


_PREDICT = '''
def states(columns):
    """The states of some samples, a row for each."""
    columns, starts = encode(columns)
    return np.array([state(x, start) for x, start in zip(columns, starts)])


def predict(inputs):
    """The probability of each class, a row for each sample of raw features."""
    return head(preprocess(inputs))


if __name__ == "__main__":
    print(CLASSES, predict([MEAN]))
'''
