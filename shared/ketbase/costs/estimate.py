"""An estimate as it is asked for, and as it is shown."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from ketbase.backends.circuit_count import CircuitCount
from ketbase.backends.experiments import (
    MAX_CIRCUITS,
    MAX_OBSERVABLES,
    MAX_PARAMETER_SETS,
    MAX_SHOTS,
    Experiment,
    Mitigation,
    Observable,
)
from ketbase.backends.types import BackendInfo
from ketbase.costs.quotes import CostLine
from ketbase.costs.shapes import Shape
from ketbase.money import Money
from ketbase.types import Model

MAX_BACKENDS = 30


class EstimateRequest(Model):
    """The body of `POST /v1/estimate`: a circuit that is there, or the size of one that is not.

    Attributes:
        backends: to compare.
        shots: of each circuit.
        circuits: how many are made of this one, where they are not to be counted from what follows.
        sweep: the parameter sets, as a run is asked them; likewise `observables` and `mitigation`.
        budget_limit: the ceiling that the job would be given.
    """

    circuit_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    circuit: Shape | None = None
    backends: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_BACKENDS)] = ("aer",)
    shots: Annotated[int, Field(ge=1, le=MAX_SHOTS)] = 1_024
    circuits: Annotated[int, Field(ge=1, le=MAX_CIRCUITS)] | None = None
    sweep: Annotated[tuple[dict[str, float], ...], Field(max_length=MAX_PARAMETER_SETS)] = ()
    observables: Annotated[tuple[Observable, ...], Field(max_length=MAX_OBSERVABLES)] = ()
    mitigation: Mitigation = Mitigation()
    budget_limit: Annotated[Money, Field(examples=["0.50"])] | None = None

    @model_validator(mode="after")
    def _one_circuit(self) -> Self:
        if (self.circuit_id is None) == (self.circuit is None):
            raise ValueError("give either circuit_id or the size of a circuit as circuit")
        return self

    @model_validator(mode="after")
    def _one_number(self) -> Self:
        if self.circuits is not None and (self.sweep or self.observables):
            raise ValueError("give either circuits or what they follow from: sweep, observables, mitigation")
        if self.mitigation != Mitigation() and not self.observables:
            raise ValueError("mitigation is of expectation values: give observables")
        return self

    def count(self, backend: BackendInfo) -> CircuitCount:
        """Count the circuits that a backend is given."""
        if self.circuits is not None:
            return CircuitCount(parameter_sets=self.circuits)
        experiment = Experiment(
            parameters=self.sweep or ({},), observables=self.observables, mitigation=self.mitigation
        )
        return CircuitCount.of(experiment, backend)


class Problem(Model):
    """Why something cannot be done."""

    code: str
    message: str


class BackendEstimate(Model):
    """What a run would cost on one backend.

    Attributes:
        circuits: how many it is given.
        estimated_cost: expected.
        reserved_cost: the ceiling that would be set aside.
        lines: what both are made of.
        expected_seconds: of computing.
        within_budget: whether the organisation's month has room for the ceiling.
        problem: why it cannot run there, or would not end (`TOO_LONG`); but for that one the costs are `None` then.
    """

    backend: str
    circuits: int = 1
    estimated_cost: Money | None = None
    reserved_cost: Money | None = None
    lines: tuple[CostLine, ...] = ()
    expected_seconds: float | None = None
    within_budget: bool | None = None
    problem: Problem | None = None


class Estimate(Model):
    """What a run would cost on each of some backends, in the order asked for.

    Attributes:
        shots: of each circuit.
        remaining_budget: what the organisation can still set aside this month.
    """

    shots: int
    remaining_budget: Money | None
    estimates: tuple[BackendEstimate, ...]
