"""A circuit as the layers that the engine runs: as few passes over the amplitudes as its gates allow.

What commutes shares a layer: phases of all kinds, rotations of different qubits, and one permutation for every run
of gates that only move amplitudes. A gate joins the earliest layer of its kind that nothing on its qubits keeps it
out of, so that a ring of CNOTs is one permutation and all the RZ between two entangling layers are one product.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ketbase.circuits.types import CircuitDefinition
from ketbase.errors import InvalidCircuitError
from ketbase.quantum.batched.angles import Angles, Slot
from ketbase.quantum.batched.primitives import Permutation, Phase, Primitive, Rotation, primitives

type Integers = NDArray[np.int64]

_REFUSED = {
    "reset": "RESET",
    "mid_circuit_measurement": "gates after a measurement",
    "control_flow": "control flow",
}


class Kind(IntEnum):
    """What a layer does; the kernels know these numbers."""

    ROTATIONS = 0
    PHASES = 1
    PERMUTATION = 2


@dataclass(slots=True)
class Layer:
    """Operations that one or two passes over the amplitudes can do.

    Attributes:
        kind: of all of them.
        members: in the order in which they act.
    """

    kind: Kind
    members: list[Primitive] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tables:
    """A plan as the kernels read it.

    Attributes:
        layers: for each layer its kind, the first and the last-plus-one row of its own table below, and the number
            of its phases or its permutation; shape (n_layers, 4).
        rotations: 1 for X or 0 for Y, qubit, control or −1, whether the angle is each sample's own, and its
            number; shape (n_rotations, 5).
        phases: mask, number of the sample's own angle; shape (n_terms, 2). Only of angles that samples do not share.
        coefficients: of these terms.
        strings: for the shared angles of each layer of phases: layer's number, mask, number of the angle.
        weights: of these strings.
        destinations: where each permutation sends each row; shape (n_permutations, 2^n).
        first_trainable: the layer before which no angle is trainable.
    """

    layers: Integers
    rotations: Integers
    phases: Integers
    coefficients: NDArray[np.float64]
    strings: Integers
    weights: NDArray[np.float64]
    destinations: NDArray[np.int32]
    first_trainable: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A circuit, ready to be run for many samples.

    Attributes:
        n_qubits: of its register; row `r` of all states is the basis state whose bit `q` is qubit `q`.
        angles: what its gates turn by.
        layers: what it does.
        tables: the same for the kernels.
    """

    n_qubits: int
    angles: Angles
    layers: tuple[Layer, ...]
    tables: Tables


def plan(definition: CircuitDefinition, features: Sequence[str] = ()) -> Plan:
    """Lay a circuit out for the engine; final measurements are left out.

    Args:
        definition: of gates.
        features: the parameters that data fills in; all others are trainable.

    Raises:
        InvalidCircuitError: `CIRCUIT_NOT_DIFFERENTIABLE`, with what the circuit holds that is no gate.
    """
    for feature in definition.features:
        if feature in _REFUSED:
            raise InvalidCircuitError(
                "CIRCUIT_NOT_DIFFERENTIABLE",
                f"The circuit holds {_REFUSED[feature]}; gates and measurements at the end are what can be trained.",
                feature=feature,
            )
    members = [each for gate in definition.gates if gate.type != "MEASURE" for each in primitives(gate)]
    trainable = [name for name in definition.inputs if name not in features]
    angles = Angles((each.angle for each in members if not isinstance(each, Permutation)), trainable, features)
    layers = _layered(members)
    return Plan(definition.n_qubits, angles, layers, _tabled(definition.n_qubits, layers, angles))


def _layered(members: Sequence[Primitive]) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    reached: dict[int, int] = {}
    for member in members:
        kind = _kind(member)
        earliest = max((reached.get(qubit, -1) for qubit in member.qubits), default=0)
        first = max(earliest + (kind is Kind.ROTATIONS), 0)
        number = next((i for i in range(first, len(layers)) if layers[i].kind is kind), len(layers))
        if number == len(layers):
            layers.append(Layer(kind))
        layers[number].members.append(member)
        reached.update(dict.fromkeys(member.qubits, number))
    return tuple(layers)


def _kind(member: Primitive) -> Kind:
    match member:
        case Rotation():
            return Kind.ROTATIONS
        case Phase():
            return Kind.PHASES
        case Permutation():
            return Kind.PERMUTATION


def _tabled(n_qubits: int, layers: Sequence[Layer], angles: Angles) -> Tables:
    rows: list[tuple[int, int, int, int]] = []
    rotations: list[tuple[int, int, int, bool, int]] = []
    phases: list[tuple[int, int]] = []
    coefficients: list[float] = []
    strings: list[tuple[int, int, int]] = []
    weights: list[float] = []
    destinations: list[Integers] = []
    n_diagonals = 0
    first_trainable = len(layers)
    for number, layer in enumerate(layers):
        if any(_slot(angles, each).trainable for each in layer.members if not isinstance(each, Permutation)):
            first_trainable = min(first_trainable, number)
        match layer.kind:
            case Kind.ROTATIONS:
                first = len(rotations)
                for each in layer.members:
                    assert isinstance(each, Rotation)
                    slot = angles.slots[each.angle]
                    control = -1 if each.control is None else each.control
                    rotations.append((each.axis == "x", each.qubit, control, slot.per_sample, slot.number))
                rows.append((layer.kind, first, len(rotations), -1))
            case Kind.PHASES:
                first, shared = len(phases), False
                for each in layer.members:
                    assert isinstance(each, Phase)
                    slot = angles.slots[each.angle]
                    for mask, coefficient in each.strings.items():
                        if slot.per_sample:
                            phases.append((mask, slot.number))
                            coefficients.append(coefficient)
                        else:
                            shared = True
                            strings.append((n_diagonals, mask, slot.number))
                            weights.append(coefficient)
                rows.append((layer.kind, first, len(phases), n_diagonals if shared else -1))
                n_diagonals += shared
            case Kind.PERMUTATION:
                rows.append((layer.kind, 0, 0, len(destinations)))
                destination = np.arange(1 << n_qubits)
                for each in layer.members:
                    assert isinstance(each, Permutation)
                    destination = each.move(destination)
                destinations.append(destination)
    return Tables(
        _integers(rows, 4),
        _integers(rotations, 5),
        _integers(phases, 2),
        np.array(coefficients, dtype=float),
        _integers(strings, 3),
        np.array(weights, dtype=float),
        np.array(destinations, dtype=np.int32).reshape(-1, 1 << n_qubits),
        first_trainable,
    )


def _slot(angles: Angles, member: Primitive) -> Slot:
    assert not isinstance(member, Permutation)
    return angles.slots[member.angle]


def _integers(rows: Sequence[Sequence[int]], width: int) -> Integers:
    return np.array(rows, dtype=np.int64).reshape(-1, width)
