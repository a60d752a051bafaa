"""A circuit as the layers that the engine runs: as few passes over the amplitudes as its gates allow.

What commutes shares a layer: phases of all kinds, rotations of different qubits, and one permutation for every run
of gates that only move amplitudes. A gate joins the earliest layer of its kind that nothing on its qubits keeps it
out of, so that a ring of CNOTs is one permutation and all the RZ between two entangling layers are one product.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ketbase.circuits.types import CircuitDefinition
from ketbase.costs.memory import amplitudes_mb
from ketbase.errors import ExecutionError, InvalidCircuitError
from ketbase.quantum.batched import kernels
from ketbase.quantum.batched.angles import Angles
from ketbase.quantum.batched.primitives import Permutation, Phase, Primitive, Rotation, primitives

NARROWEST = 4
"""The fewest samples side by side that fill a vector register."""

_REFUSED = {
    "control_flow": "control flow",
    "reset": "RESET",
    "mid_circuit_measurement": "gates after a measurement",
}
_ROOM = 3 * 16 * NARROWEST
"""Bytes that a thread takes for each row: three states of a few samples."""
_KEPT: dict[type[Primitive], int] = {Rotation: 0, Phase: 3 * 8, Permutation: 4}
"""Bytes that a layer takes for each row: phases and what overlaps come to, or destinations."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Operations of one kind, in the order in which they act; rotations are of different qubits."""

    kind: type[Primitive]
    members: list[Primitive] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """A circuit, ready to be run for many samples.

    Attributes:
        n_qubits: of its register; row `r` of all states is the basis state whose bit `q` is qubit `q`.
        angles: what its gates turn by.
        layers: what it does.
        tables: the same for the kernels.
        first_trainable: the layer before which no angle is trainable.
    """

    n_qubits: int
    angles: Angles
    layers: tuple[Layer, ...]
    tables: kernels.Tables
    first_trainable: int


def plan(definition: CircuitDefinition, features: Sequence[str] = (), *, max_memory_mb: int = 3_000) -> Plan:
    """Lay a circuit out for the engine; final measurements are left out.

    Args:
        definition: of gates.
        features: the parameters that data fills in; all others are trainable.
        max_memory_mb: what the engine may take.

    Raises:
        InvalidCircuitError: `CIRCUIT_NOT_DIFFERENTIABLE`, with what the circuit holds that is no gate.
        ExecutionError: `INSUFFICIENT_MEMORY`.
    """
    for feature, what in _REFUSED.items():
        if feature in definition.features:  # as has every circuit that is kept as OpenQASM 3
            raise InvalidCircuitError(
                "CIRCUIT_NOT_DIFFERENTIABLE",
                f"The circuit holds {what}; gates, and measurements at the end, can be trained.",
                feature=feature,
            )
    members = [each for gate in definition.gates if gate.type != "MEASURE" for each in primitives(gate)]
    layers = _layered(members)
    _check_memory(definition.n_qubits, layers, max_memory_mb)
    trainable = [name for name in definition.inputs if name not in features]
    angles = Angles((each.angle for each in members if not isinstance(each, Permutation)), trainable, features)
    first = next((number for number, layer in enumerate(layers) if _is_trainable(layer, angles)), len(layers))
    return Plan(definition.n_qubits, angles, layers, _tabled(definition.n_qubits, layers, angles), first)


def _layered(members: Iterable[Primitive]) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    reached: dict[int, int] = {}
    for member in members:
        kind = type(member)
        earliest = max((reached.get(qubit, -1) for qubit in member.qubits), default=0)
        first = max(earliest + (kind is Rotation), 0)
        number = next((i for i in range(first, len(layers)) if layers[i].kind is kind), len(layers))
        if number == len(layers):
            layers.append(Layer(kind))
        layers[number].members.append(member)
        reached.update(dict.fromkeys(member.qubits, number))
    return tuple(layers)


def _check_memory(n_qubits: int, layers: Iterable[Layer], max_memory_mb: int) -> None:
    each = _ROOM * (os.process_cpu_count() or 1) + sum(_KEPT[layer.kind] for layer in layers)
    needed = amplitudes_mb(n_qubits, each)
    if needed > max_memory_mb:
        raise ExecutionError(
            "INSUFFICIENT_MEMORY",
            f"Training {n_qubits} qubits takes about {needed:,.0f} MB; there are {max_memory_mb:,} MB.",
            n_qubits=n_qubits,
            needed_mb=needed,
            max_memory_mb=max_memory_mb,
        )


def _is_trainable(layer: Layer, angles: Angles) -> bool:
    turning = (each for each in layer.members if not isinstance(each, Permutation))
    return any(angles.slots[each.angle].trainable for each in turning)


def _tabled(n_qubits: int, layers: Iterable[Layer], angles: Angles) -> kernels.Tables:
    rows: list[tuple[int, int, int, int]] = []
    rotations: list[tuple[int, int, int, bool, int]] = []
    phases: list[tuple[int, int]] = []
    coefficients: list[float] = []
    strings: list[tuple[int, int, int]] = []
    weights: list[float] = []
    destinations: list[NDArray[np.int64]] = []
    n_tables = 0
    for layer in layers:
        n_rotations, n_phases, n_strings = len(rotations), len(phases), len(strings)
        destination = np.arange(1 << n_qubits)
        for each in layer.members:
            match each:
                case Rotation(axis, qubit, angle, control):
                    slot = angles.slots[angle]
                    held_by = -1 if control is None else control
                    rotations.append((axis == "x", qubit, held_by, slot.per_sample, slot.number))
                case Phase(angle, terms):
                    slot = angles.slots[angle]
                    if slot.per_sample:
                        phases += [(mask, slot.number) for mask in terms]
                        coefficients += terms.values()
                    else:
                        strings += [(n_tables, mask, slot.number) for mask in terms]
                        weights += terms.values()
                case Permutation():
                    destination = each.move(destination)
        if layer.kind is Rotation:
            rows.append((kernels.ROTATIONS, n_rotations, len(rotations), -1))
        elif layer.kind is Phase:
            shared = len(strings) > n_strings
            rows.append((kernels.PHASES, n_phases, len(phases), n_tables if shared else -1))
            n_tables += shared
        else:
            rows.append((kernels.PERMUTATION, 0, 0, len(destinations)))
            destinations.append(destination)
    return kernels.Tables(
        _integers(rows, 4),
        _integers(rotations, 5),
        _integers(phases, 2),
        np.array(coefficients, dtype=float),
        _integers(strings, 3),
        np.array(weights, dtype=float),
        np.array(destinations, dtype=np.int32).reshape(-1, 1 << n_qubits),
    )


def _integers(rows: Sequence[Sequence[int]], width: int) -> NDArray[np.int64]:
    return np.array(rows, dtype=np.int64).reshape(-1, width)
