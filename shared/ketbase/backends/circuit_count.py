"""How many circuits an experiment is executed as."""

from typing import Self

from ketbase.backends.bases import bases_of
from ketbase.backends.experiments import (
    MAX_CIRCUITS,
    MAX_ESTIMATED_OUTCOMES,
    MAX_OUTCOMES,
    Experiment,
)
from ketbase.backends.types import BackendInfo
from ketbase.errors import InvalidCircuitError
from ketbase.types import Model

_MOST_BITS = 64
"""Beyond this, every shot may give another outcome."""


class CircuitCount(Model):
    """How many circuits are executed, and how the number comes about.

    Attributes:
        parameter_sets: that the circuit is executed with.
        bases: in which each is measured.
        scales: of the noise, in each basis.
        calibrations: circuits that calibrate readout, once for all others.
    """

    parameter_sets: int = 1
    bases: int = 1
    scales: tuple[int, ...] = (1,)
    calibrations: int = 0

    @classmethod
    def of(cls, experiment: Experiment, backend: BackendInfo) -> Self:
        """Count the circuits of an experiment; a backend that estimates observables itself is given one for each
        parameter set.
        """
        sets, mitigation = len(experiment.parameters), experiment.mitigation
        if not experiment.observables or backend.estimates:
            return cls(parameter_sets=sets)
        return cls(
            parameter_sets=sets,
            bases=len(bases_of(experiment.observables)),
            scales=(1,) if mitigation.zne is None else mitigation.zne.scales,
            calibrations=2 if mitigation.readout else 0,
        )

    @property
    def total(self) -> int:
        """How many they are."""
        return self.parameter_sets * self.bases * len(self.scales) + self.calibrations

    @property
    def mean_scale(self) -> float:
        """How many times the two-qubit gates of the circuit itself one of them has, on average."""
        return sum(self.scales) / len(self.scales)

    def __str__(self) -> str:
        factors = {
            "parameter sets": self.parameter_sets,
            "bases to measure": self.bases,
            "noise scales": len(self.scales),
        }
        product = " × ".join(f"{number} {what}" for what, number in factors.items() if number > 1)
        calibrating = f"{self.calibrations} that calibrate readout" if self.calibrations else ""
        return " + ".join(filter(None, (product or "1", calibrating)))


def check_count(count: CircuitCount, backend: BackendInfo, *, shots: int, n_bits: int, counted: bool) -> None:
    """Check that a backend takes so many circuits, and that there is room for all that they may give.

    Args:
        count: of circuits.
        backend: where they run.
        shots: of each.
        n_bits: that each measures.
        counted: whether their counts are kept, and not only expectation values.

    Raises:
        InvalidCircuitError: `TOO_MANY_CIRCUITS` or `TOO_MANY_OUTCOMES`, with how the number comes about.
    """
    limit = min(MAX_CIRCUITS, backend.capabilities.max_circuits)
    if count.total > limit:
        raise InvalidCircuitError(
            "TOO_MANY_CIRCUITS",
            f"{backend.id} executes at most {limit} circuits in one run; this one has {count.total} ({count}).",
            limit=limit,
            circuits=count.total,
            **count.model_dump(),
        )
    limit = MAX_OUTCOMES if counted else MAX_ESTIMATED_OUTCOMES
    outcomes = count.total * min(shots, 2 ** min(n_bits, _MOST_BITS))
    if count.total > 1 and outcomes > limit:
        raise InvalidCircuitError(
            "TOO_MANY_OUTCOMES",
            f"{count.total} circuits ({count}) of {shots} shots may give {outcomes} different bitstrings; "
            f"one run has room for {limit}. Take fewer shots, or several runs.",
            limit=limit,
            circuits=count.total,
            outcomes=outcomes,
        )
