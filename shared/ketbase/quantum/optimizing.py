"""Optimising a stored circuit for a machine, and storing what comes of it."""

from contextlib import suppress
from functools import partial

from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import Target

from ketbase.circuits.types import CircuitDefinition
from ketbase.errors import InvalidCircuitError
from ketbase.optimize.types import MAX_NATIVE_GATES, Optimized
from ketbase.quantum.build import circuit_of
from ketbase.quantum.compilation import check_operations, check_size, measured, sdk_versions
from ketbase.quantum.describe import definition_of
from ketbase.quantum.machines import Machine
from ketbase.quantum.optimization import types
from ketbase.quantum.optimization.score import is_calibrated
from ketbase.quantum.programs import restricted, touched

_BASIS = ["u", "cx", "measure", "reset"]
"""What a circuit is written in for a machine without gates of its own."""
_PACKAGES = ("pytket", "mqt-qcec")


def optimized_for(
    definition: CircuitDefinition, machine: Machine, *, level: int, effort_s: float, seed: int
) -> Optimized:
    """Search for the best way to run a circuit on a machine; every qubit is measured where nothing is measured.

    Raises:
        InvalidCircuitError: `TOO_MANY_QUBITS`, `UNSUPPORTED_OPERATION` or `CIRCUIT_TOO_COMPLEX`.
    """
    check_size(definition, machine)
    circuit = measured(circuit_of(definition))
    check_operations(circuit, machine)
    found, target = _found(circuit, machine, level, effort_s, seed)
    active = touched(found.circuit)
    kept = definition_of(restricted(found.circuit, active), max_gates=MAX_NATIVE_GATES)
    return Optimized(
        # What no measurement sees is gone, but its parameters are still given values.
        definition=kept.model_copy(update={"inputs": definition.inputs}),
        placement=active,
        original=found.original,
        baseline=found.baseline,
        optimized=found.optimized,
        candidate=found.winner,
        candidates=found.candidates,
        verification=found.verification,
        calibrated_at=machine.calibrated_at if is_calibrated(target) else None,
        seconds=found.seconds + found.verification.seconds,
        sdk=sdk_versions((*machine.packages, *_PACKAGES)),
    )


def _found(
    circuit: QuantumCircuit, machine: Machine, level: int, effort_s: float, seed: int
) -> tuple[types.Optimized, Target]:
    """Search for the first of the machine's targets that has room for the circuit."""
    from ketbase.quantum.optimization.optimizer import optimize

    search = partial(optimize, circuit, level=level, effort_s=effort_s, seed=seed, idle=machine.decays)
    n_qubits = circuit.num_qubits
    targets = machine.targets or (Target.from_configuration(basis_gates=_BASIS, num_qubits=n_qubits),)
    for target in targets[:-1]:
        with suppress(InvalidCircuitError):
            return search(target), target
    return search(targets[-1]), targets[-1]
