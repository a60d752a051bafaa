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
from qiskit_aer import AerSimulator

from ketbase.backends.types import CompiledCircuit
from ketbase.circuits.types import MAX_QASM_QUBITS, CircuitDefinition
from ketbase.errors import InvalidCircuitError, NotFoundError
from ketbase.quantum import devices
from ketbase.quantum.build import circuit_of
from ketbase.quantum.describe import registers_of, steps
from ketbase.quantum.programs import expanded, to_bytes, touched
from ketbase.version import VERSION

IDEAL = "aer"
"""The id of the simulator without a device."""

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
_SDK = ("qiskit", "qiskit-aer", "qiskit-ibm-runtime")


@cache
def sdk_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that make and run circuits."""
    packages = {package: version(package) for package in _SDK}
    return {"python": platform.python_version(), "ketbase": VERSION, **packages}


@cache
def ideal_operations() -> frozenset[str]:
    """Return the operations that the ideal simulator runs as they are."""
    return frozenset(AerSimulator().operation_names)


def compiled(
    definition: CircuitDefinition,
    *,
    backend: str,
    parameters: Mapping[str, float],
    seed: int,
    optimization_level: int,
) -> CompiledCircuit:
    """Bind the parameters (radians) and translate the circuit, measuring every qubit where nothing is measured.

    Raises:
        InvalidCircuitError: `UNBOUND_PARAMETERS`, `UNKNOWN_PARAMETERS`, `INVALID_PARAMETER`, `TOO_MANY_QUBITS` or
            `UNSUPPORTED_OPERATION`.
        NotFoundError: `BACKEND_NOT_FOUND`.
    """
    _check_size(definition, backend)
    circuit = _measured(bound(definition, parameters))
    _check_operations(circuit, backend)
    if backend == IDEAL:
        program = expanded(circuit, ideal_operations())
        layout = tuple(range(circuit.num_qubits))
    else:
        program = _transpiled(circuit, backend, seed, optimization_level)
        layout = tuple(program.layout.initial_index_layout(filter_ancillas=True))
    return CompiledCircuit(
        program=to_bytes(program),
        qasm=qasm3.dumps(program, allow_aliasing=True),
        backend=backend,
        n_qubits=definition.n_qubits,
        physical_qubits=touched(program),
        layout=layout,
        depth=program.depth(lambda instruction: not isinstance(instruction.operation, Barrier)),
        gate_counts=_gate_counts(program),
        registers=tuple(registers_of(program)),
        calibrated_at=None if backend == IDEAL else devices.calibrated_at(backend),
        sdk=sdk_versions(),
    )


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


def _check_size(definition: CircuitDefinition, backend: str) -> None:
    if backend == IDEAL:
        most = MAX_QASM_QUBITS
    else:
        try:
            most = devices.device(backend).num_qubits
        except KeyError as problem:
            raise NotFoundError(
                "BACKEND_NOT_FOUND", f"there is no simulator '{backend}'", backend=backend
            ) from problem
    if definition.n_qubits > most:
        raise InvalidCircuitError(
            "TOO_MANY_QUBITS",
            f"the circuit has {definition.n_qubits} qubits, but {backend} has {most}",
            n_qubits=definition.n_qubits,
            max_qubits=most,
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


def _check_operations(circuit: QuantumCircuit, backend: str) -> None:
    supported = (
        ideal_operations() if backend == IDEAL else frozenset(devices.device(backend).target.operation_names)
    )
    if "for_loop" in supported:
        supported |= {"break_loop", "continue_loop"}
    used = {operation.name for operation, _, _ in steps(circuit)}
    lacking = sorted((used & _NEEDS_SUPPORT) - supported)
    if lacking:
        raise _unsupported(backend, f"cannot run {', '.join(lacking)}", operations=lacking)


def _unsupported(backend: str, reason: str, **details: object) -> InvalidCircuitError:
    return InvalidCircuitError(
        "UNSUPPORTED_OPERATION",
        f"{backend} {reason}; see supported_gates and supports_control_flow of the backend",
        backend=backend,
        **details,
    )


def _transpiled(circuit: QuantumCircuit, backend: str, seed: int, optimization_level: int) -> QuantumCircuit:
    """Place and route around dead couplers; a circuit too large for that takes the whole device."""
    reason = ""
    for target in (devices.usable(backend), devices.device(backend).target):
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
    raise _unsupported(backend, f"cannot run this circuit: {reason}")


def _gate_counts(circuit: QuantumCircuit) -> dict[str, int]:
    names = Counter(operation.name for operation, _, _ in steps(circuit) if operation.name != "barrier")
    return dict(names.most_common())
