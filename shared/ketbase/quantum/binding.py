"""Giving the free parameters of a circuit their values."""

from collections.abc import Mapping

from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError

from ketbase.errors import InvalidCircuitError

_NAMED = 5
"""How many values an error names."""


def assigned(circuit: QuantumCircuit, values: Mapping[str, float]) -> QuantumCircuit:
    """Return a circuit with values (radians) for the parameters that it still has.

    Raises:
        InvalidCircuitError: `INVALID_PARAMETER`, an angle has no finite value with these.
    """
    free = [parameter.name for parameter in circuit.parameters]
    if not free:
        return circuit
    try:
        bound: QuantumCircuit = circuit.assign_parameters({name: values[name] for name in free})
    except (QiskitError, ArithmeticError, RuntimeError, TypeError, ValueError) as problem:
        some = ", ".join(f"{name} = {values[name]}" for name in free[:_NAMED])
        raise InvalidCircuitError(
            "INVALID_PARAMETER",
            f"with {some}{', …' if len(free) > _NAMED else ''} an angle has no value: {problem}",
        ) from problem
    return bound
