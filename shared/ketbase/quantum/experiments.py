"""The circuits that an experiment executes, and what their counts say of its observables."""

from collections.abc import Sequence

from qiskit.circuit import QuantumCircuit

from ketbase.backends.experiments import ExpectationValue, Experiment, Variant
from ketbase.quantum.engines import Counts


def expand(
    program: QuantumCircuit, experiment: Experiment
) -> tuple[tuple[QuantumCircuit, ...], tuple[Variant, ...]]:
    """Make the circuits of an experiment from its compiled circuit, whose parameters may still be free."""
    circuits = tuple(
        program.assign_parameters(parameters) if program.parameters else program
        for parameters in experiment.parameters
    )
    return circuits, tuple(Variant(parameters=number) for number in range(len(circuits)))


def evaluate(
    variants: Sequence[Variant], counts: Sequence[Counts], experiment: Experiment
) -> tuple[ExpectationValue, ...]:
    """Estimate the experiment's observables, if it has any, from the counts of its circuits."""
    del variants, counts, experiment
    return ()
