"""The bits that IBM's machines measured, as counts in our bit order."""

import keyword
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, QuantumCircuit
from qiskit.primitives import DataBin
from qiskit_ibm_runtime.results import QuantumProgramResult

from ketbase.quantum.engines import Counts, Work

_TAKEN = frozenset(dir(DataBin)) | {"shape", "_meas"}
"""Names that a result has for something else."""


def plainly_named(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit with classical registers named as Python attributes may be: IBM makes those of them.

    Those of a circuit with control flow keep their names, by which conditions know them.
    """
    if circuit.has_control_flow_op() or all(_is_plain(register.name) for register in circuit.cregs):
        return circuit
    registers = [ClassicalRegister(name=f"c{n}", bits=list(each)) for n, each in enumerate(circuit.cregs)]
    plain = QuantumCircuit(circuit.qubits, circuit.clbits, *circuit.qregs, *registers)
    for instruction in circuit.data:
        plain._append(instruction)
    return plain


def counts(result: QuantumProgramResult, work: Work) -> tuple[Counts, ...]:
    """Count what each circuit gave: one table of bits for each classical register, bit 0 first.

    Raises:
        ValueError: not as many circuits, shots or bits as were handed in.
    """
    return tuple(
        _counts(plainly_named(circuit), item, work.shots)
        for circuit, item in zip(work.circuits, result, strict=True)
    )


def _counts(circuit: QuantumCircuit, measured: Mapping[str, NDArray[Any]], shots: int) -> Counts:
    bits = np.zeros((shots, circuit.num_clbits), dtype=np.uint8)
    for register in circuit.cregs:
        if register.name in measured:  # a register may be missing that nothing is measured into
            where = [circuit.find_bit(bit).index for bit in register]
            bits[:, where] = np.asarray(measured[register.name]).reshape(shots, register.size)
    rows, times = np.unique(np.packbits(bits[:, ::-1], axis=1), axis=0, return_counts=True)
    texts = ("".join(map(str, row)) for row in np.unpackbits(rows, axis=1, count=circuit.num_clbits))
    return {text: int(number) for text, number in zip(texts, times, strict=True)}


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and name not in _TAKEN
