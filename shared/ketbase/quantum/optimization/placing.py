"""Circuits on a target's qubits and in its gates: made by Qiskit's compiler, finished, moved, and checked."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from qiskit import generate_preset_pass_manager, transpile
from qiskit.circuit import ControlFlowOp, QuantumCircuit
from qiskit.transpiler import Layout, PassManager, Target, TranspileLayout
from qiskit.transpiler.passes import CommutativeOptimization

from ketbase.optimize.types import Figures
from ketbase.quantum.describe import steps
from ketbase.quantum.optimization.forms import begins_of, is_interaction
from ketbase.quantum.optimization.score import estimated_success

BEST_LEVEL = 3


class Candidate(NamedTuple):
    """A circuit that the target runs.

    Attributes:
        name: how it was made.
        circuit: on physical qubits, measured.
        layout: the physical qubit that each of the subject's qubits starts on.
    """

    name: str
    circuit: QuantumCircuit
    layout: tuple[int, ...]


def compiled_by_qiskit(
    name: str, circuit: QuantumCircuit, target: Target, *, level: int, seed: int, n_qubits: int
) -> Candidate:
    """Compile a measured circuit with Qiskit's own pass manager.

    Raises:
        QiskitError: the circuit does not fit.
    """
    made = transpile(
        circuit,
        target=target,
        optimization_level=level,
        seed_transpiler=seed,
        # Level 0 would take qubits 0, 1, 2, … even where dead couplers cut them off from each other.
        layout_method="sabre" if level == 0 else None,
    )
    return Candidate(name, made, begins_of(made, n_qubits))


class Finisher:
    """Brings circuits that are on coupled qubits into a target's gates, optimises them there, and moves them.

    Moving is Qiskit's: to the qubits of the fewest calibrated errors that have the same couplings
    (`VF2PostLayout`).

    Args:
        target: what to finish for.
        seed: of Qiskit's passes.
    """

    def __init__(self, target: Target, *, seed: int):
        stages = generate_preset_pass_manager(BEST_LEVEL, target=target, seed_transpiler=seed)
        stages.init = stages.layout = stages.routing = None
        self._finish = PassManager(stages.to_flow_controller())
        self._polish = PassManager([CommutativeOptimization(), stages.to_flow_controller()])

    def finished(self, name: str, placed: QuantumCircuit, layout: Sequence[int]) -> Candidate:
        """Express a measured circuit on coupled qubits in the target's gates."""
        return self._run(self._finish, Candidate(name, placed, tuple(layout)))

    def polished(self, candidate: Candidate) -> Candidate:
        """Optimise a candidate once more, across all that commutes."""
        return self._run(self._polish, candidate)

    def _run(self, passes: PassManager, candidate: Candidate) -> Candidate:
        made = passes.run(candidate.circuit, property_set=_in_place(candidate.circuit))
        moved = begins_of(made, candidate.circuit.num_qubits)
        return Candidate(candidate.name, made, tuple(moved[qubit] for qubit in candidate.layout))


def _in_place(circuit: QuantumCircuit) -> dict[str, object]:
    """Tell Qiskit's passes that every qubit is where it is."""
    places = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    layout = TranspileLayout(Layout(places), places, None, circuit.num_qubits, circuit.qubits)
    properties: dict[str, object] = {}
    layout.write_into_property_set(properties)
    return properties


def respects(circuit: QuantumCircuit, target: Target) -> bool:
    """Whether a target runs a circuit as it is: every operation is one of its own, where it is used."""
    return circuit.num_qubits == target.num_qubits and all(
        operation.name == "barrier" or _is_supported(operation, qubits, target)
        for operation, qubits, _ in steps(circuit)
    )


def _is_supported(operation: Any, qubits: tuple[int, ...], target: Target) -> bool:
    if isinstance(operation, ControlFlowOp):
        return operation.name in target.operation_names
    return bool(target.instruction_supported(operation.name, qubits))


def figures_of(circuit: QuantumCircuit, target: Target | None = None, *, idle: bool = True) -> Figures:
    """Measure a circuit; with a calibrated target that it is compiled for, also its estimated success."""
    counts: dict[str, int] = {}
    interactions = 0
    for operation, _, _ in steps(circuit):
        if operation.name != "barrier":
            counts[operation.name] = counts.get(operation.name, 0) + 1
            interactions += is_interaction(operation) and not isinstance(operation, ControlFlowOp)
    return Figures(
        depth=circuit.depth(lambda instruction: instruction.operation.name != "barrier"),
        gate_counts=dict(sorted(counts.items(), key=lambda entry: -entry[1])),
        two_qubit_gates=interactions,
        two_qubit_depth=circuit.depth(lambda instruction: is_interaction(instruction.operation)),
        estimated_success=None if target is None else estimated_success(circuit, target, idle=idle),
    )
