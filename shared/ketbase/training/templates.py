"""Circuits by their names: encodings of features, and the trainable layers that follow them."""

from collections.abc import Iterator
from itertools import count, pairwise

from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.errors import InvalidError
from ketbase.training.types import Template


def capacity(template: Template) -> int:
    """Say how many features a template takes at most."""
    return 1 << template.n_qubits if template.encoding == "amplitude" else template.n_qubits


def written_out(template: Template, n_features: int, *, trainable: bool = True) -> CircuitDefinition:
    """Write a template out, with features `x_0 …` and parameters `theta_0 …`.

    Where there are fewer features than qubits, they are encoded again on the qubits that are left. With amplitude
    encoding the circuit begins in the encoded state and has no features.

    Args:
        template: by name.
        n_features: how many there are; only so many as the circuit takes are used.
        trainable: whether the layers follow the encoding; a kernel has the encoding alone.

    Raises:
        InvalidError: `UNSUPPORTED_ENCODING`, amplitudes cannot be encoded again between layers.
    """
    if template.ansatz == "data_reuploading" and template.encoding == "amplitude":
        raise InvalidError(
            "UNSUPPORTED_ENCODING",
            "data_reuploading encodes the features before each layer, but amplitudes can be prepared only once; "
            "take the encoding angle or iqp.",
            field="template.encoding",
        )
    used = min(n_features, capacity(template))
    gates = _trainable(template, used) if trainable else _encoding(template, used)
    return CircuitDefinition.of_gates(template.n_qubits, gates)


def _trainable(template: Template, n_features: int) -> Iterator[Gate]:
    names = (f"theta_{number}" for number in count())
    if template.ansatz != "data_reuploading":
        yield from _encoding(template, n_features)
    for layer in range(template.layers):
        match template.ansatz:
            case "basic_entangler":
                yield from (_turn("RX", qubit, next(names)) for qubit in range(template.n_qubits))
                yield from _ring(template.n_qubits)
            case "strongly_entangling":
                yield from _strong(template.n_qubits, layer, names)
            case "data_reuploading":
                yield from _encoding(template, n_features)
                yield from _strong(template.n_qubits, layer, names)
            case "efficient_su2":
                yield from _su2(template.n_qubits, names)
                yield from (_cnot(qubit, qubit + 1) for qubit in range(template.n_qubits - 1))
    if template.ansatz == "efficient_su2":
        yield from _su2(template.n_qubits, names)


def _strong(n_qubits: int, layer: int, names: Iterator[str]) -> Iterator[Gate]:
    """A layer of arXiv:1804.00633: any rotation of each qubit, and CNOTs over a distance that grows by layer."""
    for qubit in range(n_qubits):
        yield from (_turn(axis, qubit, next(names)) for axis in ("RZ", "RY", "RZ"))
    if n_qubits > 1:
        distance = layer % (n_qubits - 1) + 1
        yield from (_cnot(qubit, (qubit + distance) % n_qubits) for qubit in range(n_qubits))


def _su2(n_qubits: int, names: Iterator[str]) -> Iterator[Gate]:
    for axis in ("RY", "RZ"):
        yield from (_turn(axis, qubit, next(names)) for qubit in range(n_qubits))


def _ring(n_qubits: int) -> Iterator[Gate]:
    if n_qubits == 2:
        yield _cnot(0, 1)
    elif n_qubits > 2:
        yield from (_cnot(qubit, (qubit + 1) % n_qubits) for qubit in range(n_qubits))


def _encoding(template: Template, n_features: int) -> Iterator[Gate]:
    n_qubits = template.n_qubits
    features = [f"x_{qubit % n_features}" for qubit in range(n_qubits)]
    match template.encoding:
        case "angle":
            yield from (_turn("RY", qubit, feature) for qubit, feature in enumerate(features))
        case "iqp":
            yield from (Gate(type="H", targets=(qubit,)) for qubit in range(n_qubits))
            yield from (_turn("RZ", qubit, feature) for qubit, feature in enumerate(features))
            for pair in pairwise(range(n_qubits)):
                product = "*".join(features[qubit] for qubit in pair)
                yield Gate(type="RZZ", targets=pair, parameters={"theta": product})
        case "amplitude":
            pass


def _turn(axis: str, qubit: int, name: str) -> Gate:
    return Gate(type=axis, targets=(qubit,), parameters={"theta": name})


def _cnot(control: int, target: int) -> Gate:
    return Gate(type="CNOT", targets=(control, target))
