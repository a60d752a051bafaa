"""Whether what is asked of a circuit can be asked of it, as far as that is known before it is compiled."""

from collections.abc import Collection, Iterable
from typing import Any

from ketbase.backends.experiments import Experiment, Observable
from ketbase.circuits.types import CircuitDefinition, Placement, bind_check
from ketbase.errors import InvalidCircuitError

_NOT_WITH_OBSERVABLES = ("control_flow", "mid_circuit_measurement", "reset")


def check_experiment(definition: CircuitDefinition, experiment: Experiment) -> None:
    """Check parameter sets and observables against a circuit.

    Raises:
        InvalidCircuitError: `UNBOUND_PARAMETERS`, `UNKNOWN_PARAMETERS`, `INVALID_OBSERVABLE` or
            `UNSUPPORTED_OPERATION`.
    """
    several = len(experiment.parameters) > 1
    for number, values in enumerate(experiment.parameters):
        _check_names(definition.inputs, values, number if several else None)
    if experiment.observables:
        check_observables(experiment.observables, definition.n_qubits, definition.features)
    elif experiment.mitigation.readout or experiment.mitigation.zne is not None:
        raise InvalidCircuitError(
            "MITIGATION_WITHOUT_OBSERVABLES",
            "Mitigation is of expectation values: give observables, such as "
            f'[{{"terms": {{"{"Z" * min(definition.n_qubits, 10)}": 1}}}}].',
            field="mitigation",
        )


def check_observables(observables: tuple[Observable, ...], n_qubits: int, features: Collection[str] = ()) -> None:
    """Check observables against a circuit's size and what it makes use of.

    Raises:
        InvalidCircuitError: `INVALID_OBSERVABLE` or `UNSUPPORTED_OPERATION`.
    """
    for number, observable in enumerate(observables):
        if observable.n_qubits != n_qubits:
            raise InvalidCircuitError(
                "INVALID_OBSERVABLE",
                f"The Pauli strings of observable {observable.name or number} have {observable.n_qubits} letters, "
                f"but the circuit has {n_qubits} qubits; a string has one letter for each, the one of qubit 0 "
                "rightmost.",
                field=f"observables.{number}",
                n_letters=observable.n_qubits,
                n_qubits=n_qubits,
            )
    if all(set(term) == {"I"} for observable in observables for term in observable.terms):
        raise InvalidCircuitError(
            "INVALID_OBSERVABLE",
            "The observables are nothing but the identity, whose value is its coefficient whatever is run.",
            field="observables",
        )
    found = [feature for feature in _NOT_WITH_OBSERVABLES if feature in features]
    if found:
        raise InvalidCircuitError(
            "UNSUPPORTED_OPERATION",
            f"Observables are measured at the end of a circuit in place of its own measurements; this one has "
            f"{' and '.join(found).replace('_', ' ')}, whose outcomes would be lost. Run it for its counts.",
            features=found,
        )


def check_not_optimized(placement: Placement | None, asked: str) -> None:
    """Check that what is asked of a circuit's qubits is not asked of an optimised one.

    Only its measurements know the order of its qubits, and it is the same circuit up to their outcomes alone.

    Raises:
        InvalidCircuitError: `OPTIMIZED_CIRCUIT`, with the original.
    """
    if placement is not None:
        raise InvalidCircuitError(
            "OPTIMIZED_CIRCUIT",
            f"The circuit was optimised for {placement.backend}: it has the counts of the original, but its qubits "
            f"are {placement.backend}'s, in another order. For {asked}, use the original, {placement.original}.",
            original=placement.original,
        )


def _check_names(inputs: tuple[str, ...], values: Iterable[str], number: int | None) -> None:
    missing, unknown = bind_check(inputs, values)
    where: dict[str, Any] = {"field": "parameters"}
    of_set = ""
    if number is not None:
        where = {"field": f"sweep.{number}", "parameter_set": number}
        of_set = f" of set {number} (counted from 0)"
    if missing:
        raise InvalidCircuitError(
            "UNBOUND_PARAMETERS",
            f"The circuit's parameters{of_set} need values (radians): {', '.join(missing)}.",
            parameters=missing,
            **where,
        )
    if unknown:
        raise InvalidCircuitError(
            "UNKNOWN_PARAMETERS",
            f"The circuit has no parameters {', '.join(unknown)}{of_set}; it has {', '.join(inputs) or 'none'}.",
            parameters=unknown,
            **where,
        )
