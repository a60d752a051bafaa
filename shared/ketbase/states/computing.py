"""The state of a circuit, if it has one."""

from collections.abc import Mapping

from ketbase.backends.checks import check_experiment, check_not_optimized
from ketbase.backends.experiments import Experiment
from ketbase.circuits.types import Circuit
from ketbase.errors import InvalidCircuitError
from ketbase.ports.quantum import StateVectors
from ketbase.states.types import MAX_STATE_QUBITS

_NO_STATE = ("control_flow", "mid_circuit_measurement", "reset")


def computed(vectors: StateVectors, circuit: Circuit, parameters: Mapping[str, float]) -> bytes:
    """Compute the state that a circuit makes of |0…0⟩; measurements at its end are left out.

    Raises:
        InvalidCircuitError: `OPTIMIZED_CIRCUIT`, `TOO_MANY_QUBITS`, `UNSUPPORTED_OPERATION` where the circuit
            measures or resets on the way, or branches, `UNBOUND_PARAMETERS`, `UNKNOWN_PARAMETERS`,
            `INVALID_PARAMETER`, or `CIRCUIT_TOO_COMPLEX` to be computed while somebody waits.
    """
    check_not_optimized(circuit.placement, "its state")
    definition = circuit.circuit_definition
    if definition.n_qubits > MAX_STATE_QUBITS:
        raise InvalidCircuitError(
            "TOO_MANY_QUBITS",
            f"The circuit has {definition.n_qubits} qubits; states of up to {MAX_STATE_QUBITS} are computed.",
            n_qubits=definition.n_qubits,
            max_qubits=MAX_STATE_QUBITS,
        )
    found = [feature for feature in _NO_STATE if feature in definition.features]
    if found:
        raise InvalidCircuitError(
            "UNSUPPORTED_OPERATION",
            f"The circuit has {' and '.join(found).replace('_', ' ')}, and so leaves no one state; a circuit of "
            "gates does, with measurements at its end at most.",
            features=found,
        )
    check_experiment(definition, Experiment(parameters=(dict(parameters),)))
    return vectors.compute(definition, parameters)
