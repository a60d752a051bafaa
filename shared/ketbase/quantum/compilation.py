"""Binding a circuit's parameters and translating it into what a backend runs."""

import platform
from collections import Counter
from functools import cache
from importlib.metadata import version

from qiskit import qasm3, transpile
from qiskit.circuit import Barrier, QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.transpiler import Target

from ketbase.backends.checks import check_experiment
from ketbase.backends.experiments import Experiment
from ketbase.backends.types import CompiledCircuit
from ketbase.circuits.types import CircuitDefinition
from ketbase.errors import InvalidCircuitError
from ketbase.quantum.binding import assigned
from ketbase.quantum.build import circuit_of
from ketbase.quantum.describe import registers_of, steps
from ketbase.quantum.experiments.expansion import expand
from ketbase.quantum.experiments.folding import foldable
from ketbase.quantum.machines import Machine
from ketbase.quantum.optimization.score import estimated_success, is_calibrated
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
    definition: CircuitDefinition,
    machine: Machine,
    experiment: Experiment,
    *,
    placement: tuple[int, ...] | None = None,
    seed: int,
    optimization_level: int,
) -> CompiledCircuit:
    """Bind the parameters (radians) and translate the circuit into all that is executed for an experiment.

    A circuit that measures nothing gets every qubit measured at its end. Observables are measured in place of its
    own measurements. One set of parameters is bound before the compiler sees the circuit; of several, each is bound
    after it, so that the circuit is compiled once. A circuit that was optimised for this machine comes with its
    `placement`, the machine's qubit for each of its own, and is left as it is there.

    Raises:
        InvalidCircuitError: `UNBOUND_PARAMETERS`, `UNKNOWN_PARAMETERS`, `INVALID_PARAMETER`, `INVALID_OBSERVABLE`,
            `MITIGATION_WITHOUT_OBSERVABLES`, `TOO_MANY_QUBITS`, `TOO_MANY_CIRCUITS` or `UNSUPPORTED_OPERATION`.
    """
    check_size(definition, machine)
    check_experiment(definition, experiment)
    packages = machine.packages
    if experiment.mitigation.zne is not None:
        machine, packages = foldable(machine), (*packages, "qiskit-mitigation")
    circuit = circuit_of(definition)
    circuit = _unmeasured(circuit) if experiment.observables else measured(circuit)
    if len(experiment.parameters) == 1:
        circuit = assigned(circuit, experiment.parameters[0])
    check_operations(circuit, machine)
    if machine.targets:
        program = _transpiled(circuit, machine, placement, seed, optimization_level)
    else:
        program = expanded(circuit, machine.operations)
    made, variants = expand(program, experiment, machine, _ends(program, definition.n_qubits))
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
        layout=_begins(program, definition.n_qubits),
        depth=first.depth(lambda instruction: not isinstance(instruction.operation, Barrier)),
        gate_counts=_gate_counts(first),
        two_qubit_gates=sum(
            len(qubits) > 1 and operation.name != "barrier" for operation, qubits, _ in steps(first)
        ),
        estimated_success=_estimated_success(first, machine),
        registers=tuple(registers_of(first)),
        calibrated_at=machine.calibrated_at,
        sdk=sdk_versions(packages),
    )


def _begins(program: QuantumCircuit, n_qubits: int) -> tuple[int, ...]:
    if program.layout is None:  # every qubit reaches every other
        return tuple(range(n_qubits))
    return tuple(program.layout.initial_index_layout(filter_ancillas=True))


def _ends(program: QuantumCircuit, n_qubits: int) -> tuple[int, ...]:
    if program.layout is None:
        return tuple(range(n_qubits))
    return tuple(program.layout.final_index_layout(filter_ancillas=True))


def check_size(definition: CircuitDefinition, machine: Machine) -> None:
    """Raise `TOO_MANY_QUBITS` for a circuit that the machine has too few qubits for."""
    if definition.n_qubits > machine.n_qubits:
        raise InvalidCircuitError(
            "TOO_MANY_QUBITS",
            f"the circuit has {definition.n_qubits} qubits, but {machine.backend} has {machine.n_qubits}",
            n_qubits=definition.n_qubits,
            max_qubits=machine.n_qubits,
        )


def measured(circuit: QuantumCircuit) -> QuantumCircuit:
    """Measure every qubit at the end of a circuit that measures nothing."""
    operations = [operation for operation, _, _ in steps(circuit)]
    if any(operation.name == "measure" for operation in operations):
        return circuit
    if not any(operation.name in _NEEDS_SUPPORT for operation in operations):
        circuit = _without_clbits(circuit)  # they would only pad every bitstring with zeros
    whole: QuantumCircuit = circuit.measure_all(inplace=False)
    return whole


def _unmeasured(circuit: QuantumCircuit) -> QuantumCircuit:
    """Take away the measurements of a circuit that does nothing after them."""
    return _without_clbits(circuit, leave_out="measure")


def _without_clbits(circuit: QuantumCircuit, leave_out: str = "") -> QuantumCircuit:
    bare = QuantumCircuit(circuit.qubits, *circuit.qregs)
    for instruction in circuit.data:
        if instruction.name != leave_out:
            bare._append(instruction)
    return bare


def check_operations(circuit: QuantumCircuit, machine: Machine) -> None:
    """Raise `UNSUPPORTED_OPERATION` for a circuit that does what the machine cannot."""
    supported = machine.operations
    if "for_loop" in supported:
        supported |= {"break_loop", "continue_loop"}
    used = {operation.name for operation, _, _ in steps(circuit)}
    lacking = sorted((used & _NEEDS_SUPPORT) - supported)
    if lacking:
        raise unsupported(machine.backend, f"cannot run {', '.join(lacking)}", operations=lacking)


def unsupported(backend: str, reason: str, **details: object) -> InvalidCircuitError:
    """Say that a backend cannot run a circuit."""
    return InvalidCircuitError(
        "UNSUPPORTED_OPERATION",
        f"{backend} {reason}; see supported_gates and supports_control_flow of the backend",
        backend=backend,
        **details,
    )


def _estimated_success(circuit: QuantumCircuit, machine: Machine) -> float | None:
    if not machine.targets or not is_calibrated(machine.targets[-1]):
        return None
    return estimated_success(circuit, machine.targets[-1], idle=machine.decays)


def _transpiled(
    circuit: QuantumCircuit,
    machine: Machine,
    placement: tuple[int, ...] | None,
    seed: int,
    optimization_level: int,
) -> QuantumCircuit:
    """Place and route for the first of the machine's targets that has room."""
    reason = ""
    level = optimization_level if placement is None else 0
    for target in machine.targets:
        try:
            return transpile(
                circuit,
                target=target,
                seed_transpiler=seed,
                optimization_level=level,
                initial_layout=None if placement is None else list(placement),
                layout_method=None if placement is not None else _placing(target, level),
            )
        except QiskitError as problem:
            reason = problem.message
    raise unsupported(machine.backend, f"cannot run this circuit: {reason}")


def _placing(target: Target, optimization_level: int) -> str | None:
    """Choose how qubits are placed, where Qiskit would take 0, 1, 2, … whatever they are.

    Level 0 does so even where dead couplers cut them off from each other, and level 1 where some of these numbers
    are no qubits, as on machines that count from 1.
    """
    measured = target["measure"]
    has_holes = None not in measured and len(measured) < target.num_qubits
    return "sabre" if optimization_level == 0 or (optimization_level == 1 and has_holes) else None


def _gate_counts(circuit: QuantumCircuit) -> dict[str, int]:
    names = Counter(operation.name for operation, _, _ in steps(circuit) if operation.name != "barrier")
    return dict(names.most_common())
