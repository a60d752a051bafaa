"""Binding a circuit's parameters and translating it into what a backend runs."""

import math
import platform
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

from qiskit import qasm3, transpile
from qiskit.circuit import Barrier, ParameterExpression, QuantumCircuit
from qiskit.exceptions import QiskitError

from ketbase.backends.experiments import Experiment
from ketbase.backends.types import CompiledCircuit
from ketbase.circuits.types import CircuitDefinition
from ketbase.errors import InvalidCircuitError
from ketbase.quantum import experiments
from ketbase.quantum.build import circuit_of
from ketbase.quantum.describe import registers_of, steps
from ketbase.quantum.machines import Machine
from ketbase.quantum.programs import expanded, to_bytes, touched
from ketbase.version import VERSION

_NEEDS_SUPPORT = frozenset(
    {
        "if_else",
        "while_loop",
        "for_loop",
        "switch_case",
        "break_loop",
        "continue_loop",
        "box",
        "store",
        "reset",
        "delay",
    }
)
"""Operations that no other operation can replace."""


def sdk_versions(packages: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the versions of Python, Ketbase, Qiskit and some packages."""
    return dict(_sdk_versions(packages))


@cache
def _sdk_versions(packages: tuple[str, ...]) -> dict[str, str]:
    found = {package: version(package) for package in ("qiskit", *packages)}
    return {"python": platform.python_version(), "ketbase": VERSION, **found}


def compiled(
    definition: CircuitDefinition, machine: Machine, experiment: Experiment, *, seed: int, optimization_level: int
) -> CompiledCircuit:
    """Bind the parameters (radians) and translate the circuit, measuring every qubit where nothing is measured.

    One set of parameters is bound before the compiler sees the circuit; of several, each is bound after it, so that
    the circuit is compiled once.

    Raises:
        InvalidCircuitError: `UNBOUND_PARAMETERS`, `UNKNOWN_PARAMETERS`, `INVALID_PARAMETER`, `TOO_MANY_QUBITS` or
            `UNSUPPORTED_OPERATION`.
    """
    _check_size(definition, machine)
    circuits = [bound(definition, parameters) for parameters in experiment.parameters]
    circuit = circuits[0] if len(circuits) == 1 else circuit_of(definition)
    circuit = _measured(circuit)
    _check_operations(circuit, machine)
    if machine.targets:
        program = _transpiled(circuit, machine, seed, optimization_level)
        layout = _layout(program, definition.n_qubits)
    else:
        program = expanded(circuit, machine.operations)
        layout = tuple(range(circuit.num_qubits))
    made, variants = experiments.expand(program, experiment)
    if machine.finish is not None:
        made = tuple(machine.finish(each) for each in made)
    first = made[0]
    return CompiledCircuit(
        program=to_bytes(made),
        variants=variants,
        qasm=qasm3.dumps(first, allow_aliasing=True),
        backend=machine.backend,
        n_qubits=definition.n_qubits,
        physical_qubits=touched(first),
        layout=layout,
        depth=first.depth(lambda instruction: not isinstance(instruction.operation, Barrier)),
        gate_counts=_gate_counts(first),
        registers=tuple(registers_of(first)),
        calibrated_at=machine.calibrated_at,
        sdk=sdk_versions(machine.packages),
    )


def _layout(program: QuantumCircuit, n_qubits: int) -> tuple[int, ...]:
    if program.layout is None:  # every qubit reaches every other
        return tuple(range(n_qubits))
    return tuple(program.layout.initial_index_layout(filter_ancillas=True))


def bound(definition: CircuitDefinition, parameters: Mapping[str, float]) -> QuantumCircuit:
    """Build a circuit and give its parameters their values.

    Raises:
        InvalidCircuitError: `UNBOUND_PARAMETERS`, `UNKNOWN_PARAMETERS` or `INVALID_PARAMETER`, naming them.
    """
    wanted, given = set(definition.inputs), set(parameters)
    missing, unknown = sorted(wanted - given), sorted(given - wanted)
    if missing:
        raise InvalidCircuitError(
            "UNBOUND_PARAMETERS", f"give values for the parameters {', '.join(missing)}", parameters=missing
        )
    if unknown:
        raise InvalidCircuitError(
            "UNKNOWN_PARAMETERS",
            f"the circuit has no parameters {', '.join(unknown)}; "
            f"it has {', '.join(definition.inputs) or 'none at all'}",
            parameters=unknown,
        )
    for name, value in parameters.items():
        if not math.isfinite(value):
            raise _invalid_parameter(f"the value of parameter '{name}' is not a finite number")
    circuit = circuit_of(definition)
    if not parameters:
        return circuit
    try:
        circuit = circuit.assign_parameters(dict(parameters))
        for operation, _, _ in steps(circuit):
            for angle in operation.params:
                if isinstance(angle, ParameterExpression) and not angle.parameters:
                    angle = float(angle)
                if isinstance(angle, float) and not math.isfinite(angle):
                    raise _invalid_parameter(f"an angle of {operation.name.upper()} is not finite")
    except (QiskitError, ArithmeticError, TypeError, ValueError) as problem:
        raise _invalid_parameter(f"an angle has no value with these parameters: {problem}") from problem
    return circuit


def _invalid_parameter(message: str) -> InvalidCircuitError:
    return InvalidCircuitError("INVALID_PARAMETER", message)


def _check_size(definition: CircuitDefinition, machine: Machine) -> None:
    if definition.n_qubits > machine.n_qubits:
        raise InvalidCircuitError(
            "TOO_MANY_QUBITS",
            f"the circuit has {definition.n_qubits} qubits, but {machine.backend} has {machine.n_qubits}",
            n_qubits=definition.n_qubits,
            max_qubits=machine.n_qubits,
        )


def _measured(circuit: QuantumCircuit) -> QuantumCircuit:
    operations = [operation for operation, _, _ in steps(circuit)]
    if any(operation.name == "measure" for operation in operations):
        return circuit
    if not any(operation.name in _NEEDS_SUPPORT for operation in operations):
        circuit = _without_clbits(circuit)  # they would only pad every bitstring with zeros
    measured: QuantumCircuit = circuit.measure_all(inplace=False)
    return measured


def _without_clbits(circuit: QuantumCircuit) -> QuantumCircuit:
    bare = QuantumCircuit(circuit.qubits, *circuit.qregs)
    for instruction in circuit.data:
        bare._append(instruction)
    return bare


def _check_operations(circuit: QuantumCircuit, machine: Machine) -> None:
    supported = machine.operations
    if "for_loop" in supported:
        supported |= {"break_loop", "continue_loop"}
    used = {operation.name for operation, _, _ in steps(circuit)}
    lacking = sorted((used & _NEEDS_SUPPORT) - supported)
    if lacking:
        raise _unsupported(machine.backend, f"cannot run {', '.join(lacking)}", operations=lacking)


def _unsupported(backend: str, reason: str, **details: object) -> InvalidCircuitError:
    return InvalidCircuitError(
        "UNSUPPORTED_OPERATION",
        f"{backend} {reason}; see supported_gates and supports_control_flow of the backend",
        backend=backend,
        **details,
    )


def _transpiled(circuit: QuantumCircuit, machine: Machine, seed: int, optimization_level: int) -> QuantumCircuit:
    """Place and route for the first of the machine's targets that has room."""
    reason = ""
    for target in machine.targets:
        try:
            return transpile(
                circuit,
                target=target,
                seed_transpiler=seed,
                optimization_level=optimization_level,
                # Level 0 would take qubits 0, 1, 2, … even where dead couplers cut them off from each other.
                layout_method="sabre" if optimization_level == 0 else None,
            )
        except QiskitError as problem:
            reason = problem.message
    raise _unsupported(machine.backend, f"cannot run this circuit: {reason}")


def _gate_counts(circuit: QuantumCircuit) -> dict[str, int]:
    names = Counter(operation.name for operation, _, _ in steps(circuit) if operation.name != "barrier")
    return dict(names.most_common())
