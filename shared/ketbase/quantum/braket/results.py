"""Counts from what Braket writes into the results' bucket; the forms are those of `amazon-braket-schemas`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from qiskit.circuit import QuantumCircuit

from ketbase.errors import ExecutionError
from ketbase.quantum.braket.programs import Measured, measured
from ketbase.quantum.engines import Counts
from ketbase.quantum.sampling import shared_out

type Read = Callable[[str], Any]
"""Reads a file of the results by its path below the task's folder, as JSON."""


def executions(result: Mapping[str, Any], read: Read) -> list[Mapping[str, Any]]:
    """Return what each program of a task gave, in order.

    Args:
        result: `results.json` of the task: of a program, or of a set of them, which may refer to other files.
        read: for those.

    Raises:
        ExecutionError: `PROVIDER_NO_RESULT`, one of the programs was not executed.
    """
    if "programResults" not in result:
        return [result]
    found = []
    for program in result["programResults"]:
        program = read(program) if isinstance(program, str) else program
        for each in program["executableResults"]:
            each = read(each) if isinstance(each, str) else each
            failure = each.get("failureMetadata")
            if failure is not None:
                reason = failure.get("failureReason", "without a reason")
                raise ExecutionError(
                    "PROVIDER_NO_RESULT", f"Amazon Braket could not execute one of the circuits: {reason}"
                )
            found.append(each)
    return found


def counts_of(execution: Mapping[str, Any], circuit: QuantumCircuit, shots: int, *, physical: bool) -> Counts:
    """Turn what an execution gave into counts in our order of bits.

    Braket's columns are qubits, the leftmost first, and `measuredQubits` says which; that list may have any order,
    and more qubits than were asked for. Where a device gives probabilities only, the shots are shared out among
    them such that none is lost: whole shots first, then to those with the largest rest.

    Args:
        execution: of the circuit.
        circuit: as compiled.
        shots: what was asked for.
        physical: whether the program named the device's own qubits.

    Raises:
        ExecutionError: `PROVIDER_RESULT_UNREADABLE`.
    """
    reads = measured(circuit, physical=physical)
    try:
        columns = _columns(execution["measuredQubits"], reads)
        outcomes, times = _outcomes(execution, shots)
    except (KeyError, TypeError, ValueError) as problem:
        raise ExecutionError(
            "PROVIDER_RESULT_UNREADABLE", f"Amazon Braket's result is not what was asked for: {problem!r}"
        ) from problem
    width = circuit.num_clbits
    bits = np.zeros((len(outcomes), width), dtype=np.uint8)
    for clbit, column in columns.items():
        bits[:, width - 1 - clbit] = outcomes[:, column]
    counts: Counts = {}
    for row, number in zip(bits, times, strict=True):
        text = "".join(map(str, row))
        counts[text] = counts.get(text, 0) + int(number)
    return dict(sorted(counts.items()))


def _columns(found: Sequence[int], reads: Measured) -> dict[int, int]:
    """For each classical bit, the column that its qubit is in."""
    place = {int(qubit): column for column, qubit in enumerate(found)}
    missing = sorted(set(reads.qubits) - set(place))
    if missing:
        raise ValueError(f"the qubits {missing} were measured, but the result has {sorted(place)}")
    return {clbit: place[reads.qubits[bit]] for clbit, bit in reads.bits.items()}


def _outcomes(execution: Mapping[str, Any], shots: int) -> tuple[Any, Any]:
    """Return the different outcomes, a row each, and how often each of them was."""
    measurements = execution.get("measurements")
    if measurements:
        rows = np.asarray(measurements).astype(np.uint8)
        return np.unique(rows, axis=0, return_counts=True)
    probabilities: Mapping[str, float] = execution["measurementProbabilities"]
    rows = np.asarray([[int(bit) for bit in outcome] for outcome in probabilities], dtype=np.uint8)
    times = shared_out(np.asarray(list(probabilities.values()), dtype=float), shots)
    return rows[times > 0], times[times > 0]
