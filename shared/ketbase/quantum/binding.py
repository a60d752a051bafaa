"""Giving the free parameters of a circuit their values."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from qiskit.circuit import ControlFlowOp, ParameterExpression, QuantumCircuit
from qiskit.exceptions import QiskitError

from ketbase.errors import InvalidCircuitError
from ketbase.quantum.describe import steps


def assigned(circuit: QuantumCircuit, values: Mapping[str, float]) -> QuantumCircuit:
    """Return a circuit with values (radians) for the parameters that it still has.

    Raises:
        InvalidCircuitError: `INVALID_PARAMETER`, an angle has no finite value with these.
    """
    free = [parameter.name for parameter in circuit.parameters]
    if not free:
        return circuit
    places = [place for place, instruction in enumerate(circuit.data) if _is_free(instruction.operation)]
    try:
        bound: QuantumCircuit = circuit.assign_parameters({name: values[name] for name in free})
        for operation in _operations(bound, places):
            for angle in operation.params:
                if isinstance(angle, ParameterExpression) and not angle.parameters:
                    angle = float(angle)
                if isinstance(angle, float) and not math.isfinite(angle):
                    raise _invalid_parameter(f"an angle of {operation.name.upper()} is not finite", values)
    except (QiskitError, ArithmeticError, TypeError, ValueError) as problem:
        raise _invalid_parameter(f"an angle has no value: {problem}", values) from problem
    return bound


def _is_free(operation: Any) -> bool:
    if isinstance(operation, ControlFlowOp):
        return True
    return any(isinstance(angle, ParameterExpression) for angle in operation.params)


def _operations(circuit: QuantumCircuit, places: list[int]) -> Iterator[Any]:
    for place in places:
        operation = circuit.data[place].operation
        yield operation
        if isinstance(operation, ControlFlowOp):
            for block in operation.blocks:
                yield from (inner for inner, _, _ in steps(block))


def _invalid_parameter(what: str, values: Mapping[str, float]) -> InvalidCircuitError:
    some = ", ".join(f"{name} = {value}" for name, value in list(values.items())[:5])
    return InvalidCircuitError("INVALID_PARAMETER", f"with {some}{', …' if len(values) > 5 else ''}, {what}")
