"""Circuits that differ in their angles only, as one circuit with parameters: IBM is then sent it once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, ParameterVector, QuantumCircuit

type Values = NDArray[np.float64]
"""Of the parameters in their order, shape (circuits, parameters)."""


def merged(circuits: Sequence[QuantumCircuit]) -> tuple[QuantumCircuit, Values] | None:
    """Return the circuit that all of them are, and the angles of each; `None` where there is no such circuit.

    A phase that all amplitudes have in common is that of the first.
    """
    first, *others = circuits
    if not others or any(_form(each) != _form(first) for each in others):
        return None
    angles = np.array([_angles(each) for each in circuits], dtype=float).reshape(len(circuits), -1)
    free = np.flatnonzero(np.ptp(angles, axis=0))
    if not free.size:
        return None
    parameters = ParameterVector("sweep", len(free))
    by_place = dict(zip(free.tolist(), parameters, strict=True))
    whole, place = first.copy_empty_like(), 0
    whole._layout = first.layout
    for instruction in first.data:
        operation, width = instruction.operation, len(instruction.operation.params)
        if any(place + offset in by_place for offset in range(width)):
            operation = operation.to_mutable()
            operation.params = [by_place.get(place + at, angle) for at, angle in enumerate(operation.params)]
        whole._append(CircuitInstruction(operation, instruction.qubits, instruction.clbits))
        place += width
    return whole, angles[:, free]


def _form(circuit: QuantumCircuit) -> list[tuple[object, ...]]:
    return [
        (
            instruction.operation.name,
            len(instruction.operation.params),
            *(circuit.find_bit(bit).index for bit in instruction.qubits),
        )
        for instruction in circuit.data
    ]


def _angles(circuit: QuantumCircuit) -> list[float]:
    return [float(angle) for instruction in circuit.data for angle in instruction.operation.params]
