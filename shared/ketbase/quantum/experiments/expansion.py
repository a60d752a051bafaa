"""From one compiled circuit to all that an experiment executes."""

from collections.abc import Iterator, Sequence

from qiskit.circuit import QuantumCircuit

from ketbase.backends.bases import bases_of
from ketbase.backends.experiments import Experiment, Variant
from ketbase.errors import InvalidCircuitError
from ketbase.quantum.binding import assigned
from ketbase.quantum.experiments.folding import folded
from ketbase.quantum.experiments.measurement import measured_in, prepared
from ketbase.quantum.machines import Machine

MAX_OPERATIONS = 2_000_000
"""Of all circuits of one run together: they take 110 MB in Qiskit's QPY format, measured."""


def expand(
    program: QuantumCircuit, experiment: Experiment, machine: Machine, ends: Sequence[int]
) -> tuple[tuple[QuantumCircuit, ...], tuple[Variant, ...]]:
    """Make the circuits of an experiment; nothing is placed, routed or optimised any more.

    Without observables, or where the machine estimates them itself, these are the circuit with each parameter set.
    Otherwise each is measured in each basis, after its gates were folded for each scale of the noise; two circuits
    that calibrate readout, if any, come last.

    Args:
        program: compiled for the machine; its parameters may be free. With observables it measures nothing.
        experiment: what is asked.
        machine: what it runs on.
        ends: for each qubit of the submitted circuit, the machine's qubit that it ends on.

    Raises:
        InvalidCircuitError: `INVALID_PARAMETER` or `TOO_MANY_CIRCUITS`.
    """
    measuring = bool(experiment.observables) and not machine.estimates
    templates = list(_measured(program, experiment, machine, ends)) if measuring else [(Variant(), program)]
    _check_size([circuit for _, circuit in templates], len(experiment.parameters))
    variants, circuits = [], []
    for number, values in enumerate(experiment.parameters):
        for variant, circuit in templates:
            variants.append(variant.model_copy(update={"parameters": number}))
            circuits.append(assigned(circuit, values))
    if measuring and experiment.mitigation.readout:
        qubits = _in_use(variants)
        for state in (0, 1):
            variants.append(Variant(prepared=state))
            circuits.append(prepared(state, qubits, machine, ends))
    return tuple(circuits), tuple(variants)


def _measured(
    program: QuantumCircuit, experiment: Experiment, machine: Machine, ends: Sequence[int]
) -> Iterator[tuple[Variant, QuantumCircuit]]:
    zne = experiment.mitigation.zne
    bases = bases_of(experiment.observables)
    for scale in (1,) if zne is None else zne.scales:
        scaled = folded(program, scale)
        for basis in bases:
            variant = Variant(basis=basis.letters, scale=scale)
            yield variant, measured_in(basis.letters, scaled, machine, ends)


def _check_size(templates: Sequence[QuantumCircuit], parameter_sets: int) -> None:
    circuits = len(templates) * parameter_sets
    operations = sum(len(circuit.data) for circuit in templates) * parameter_sets
    if circuits > 1 and operations > MAX_OPERATIONS:
        raise InvalidCircuitError(
            "TOO_MANY_CIRCUITS",
            f"the run's {circuits} circuits have {operations:,} operations together, once compiled; at most "
            f"{MAX_OPERATIONS:,} are possible",
            circuits=circuits,
            operations=operations,
            limit=MAX_OPERATIONS,
        )


def _in_use(variants: Sequence[Variant]) -> tuple[int, ...]:
    """The qubits, as the submitted circuit counts them, that any basis measures."""
    bases = {variant.basis for variant in variants if variant.basis is not None}
    return tuple(
        qubit
        for qubit, letters in enumerate(zip(*(reversed(basis) for basis in bases), strict=True))
        if set(letters) != {"I"}
    )
