"""Making a circuit's noise larger on purpose: each two-qubit gate is undone and done again."""

from dataclasses import replace

from qiskit.circuit import Barrier, QuantumCircuit
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.transpiler import PassManager, Target

from ketbase.errors import InvalidCircuitError
from ketbase.quantum.machines import Machine

FOLDED = frozenset({"cx", "cy", "cz", "ecr", "swap"})
"""What `qiskit_mitigation` folds: gates that are their own inverse, so that a machine runs what comes of them."""


def folded(program: QuantumCircuit, scale: int) -> QuantumCircuit:
    """Return a compiled circuit with each two-qubit gate G as `G (G⁻¹ G)ᵏ`, 2k + 1 = `scale`.

    It does the same, with `scale` times the errors of these gates; those of single-qubit gates, of waiting and of
    readout stay as they are. It must not be compiled again, which would take the folds out.

    Source: Giurgica-Tiron et al., Digital zero noise extrapolation, arXiv:2005.10921.

    Args:
        program: for a machine that `foldable` returned.
        scale: an odd number.

    Raises:
        InvalidCircuitError: `UNSUPPORTED_OPERATION`, it has other gates on several qubits.
    """
    if scale == 1:
        return program
    several = {i.name for i in program.data if len(i.qubits) > 1 and not isinstance(i.operation, Barrier)}
    if several - FOLDED:
        raise _cannot(f"fold {', '.join(sorted(several - FOLDED))}", operations=sorted(several - FOLDED))
    from qiskit_mitigation.zne.gate_folding import GateFoldingPass  # half a second, for few circuits

    larger: QuantumCircuit = PassManager([GateFoldingPass(scale)]).run(program)
    return larger


def foldable(machine: Machine) -> Machine:
    """Return a machine with those of its gates alone that can be folded, beside the ones on single qubits.

    Raises:
        InvalidCircuitError: `UNSUPPORTED_OPERATION`, it has none of them, or its provider would take folds out.
    """
    if machine.compiles_again:
        raise _cannot(f"run on {machine.backend}, whose provider compiles circuits again and takes folds out")
    if machine.targets:
        targets = tuple(map(_foldable, machine.targets))
        operations = frozenset(name for target in targets for name in target.operation_names)
        machine = replace(machine, operations=operations, targets=targets)
    else:
        gates = get_standard_gate_name_mapping()
        several = {name for name in machine.operations if name in gates and gates[name].num_qubits > 1}
        machine = replace(machine, operations=machine.operations - several | several & FOLDED)
    if not machine.operations & FOLDED:
        raise _cannot(f"run on {machine.backend}, which has no two-qubit gate to fold", backend=machine.backend)
    return machine


def _foldable(target: Target) -> Target:
    several = {name for name in target.operation_names if _acts_on_several(target, name)}
    if several <= FOLDED:
        return target
    part = Target(num_qubits=target.num_qubits, dt=target.dt, qubit_properties=target.qubit_properties)
    for name, where in target.items():
        if name not in several - FOLDED:
            properties = None if None in where else where
            part.add_instruction(target.operation_from_name(name), properties, name=name)
    return part


def _acts_on_several(target: Target, name: str) -> bool:
    operation = target.operation_from_name(name)
    return not isinstance(operation, type) and operation.num_qubits > 1


def _cannot(what: str, **details: object) -> InvalidCircuitError:
    return InvalidCircuitError(
        "UNSUPPORTED_OPERATION",
        f"zero-noise extrapolation cannot {what}; it folds {', '.join(sorted(FOLDED))}",
        **details,
    )
