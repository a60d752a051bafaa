"""An estimate as it is asked for, and as it is shown."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from ketbase.costs.quotes import CostLine
from ketbase.costs.shapes import Shape
from ketbase.money import Money
from ketbase.run.types import MAX_SHOTS
from ketbase.types import Model

MAX_BACKENDS = 30


class EstimateRequest(Model):
    """The body of `POST /v1/estimate`: a circuit that is there, or the size of one that is not.

    Attributes:
        backends: to compare.
        shots: how often the circuit is run.
        budget_limit: the ceiling that the job would be given.
    """

    circuit_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    circuit: Shape | None = None
    backends: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_BACKENDS)] = ("aer",)
    shots: Annotated[int, Field(ge=1, le=MAX_SHOTS)] = 1_024
    budget_limit: Annotated[Money, Field(examples=["0.50"])] | None = None

    @model_validator(mode="after")
    def _one_circuit(self) -> Self:
        if (self.circuit_id is None) == (self.circuit is None):
            raise ValueError("give either circuit_id or the size of a circuit as circuit")
        return self


class Problem(Model):
    """Why something cannot be done."""

    code: str
    message: str


class BackendEstimate(Model):
    """What a run would cost on one backend.

    Attributes:
        estimated_cost: expected.
        reserved_cost: the ceiling that would be set aside.
        lines: what both are made of.
        expected_seconds: of computing.
        within_budget: whether the organisation's month has room for the ceiling.
        problem: why it cannot run there, or would not end (`TOO_LONG`); but for that one the costs are `None` then.
    """

    backend: str
    estimated_cost: Money | None = None
    reserved_cost: Money | None = None
    lines: tuple[CostLine, ...] = ()
    expected_seconds: float | None = None
    within_budget: bool | None = None
    problem: Problem | None = None


class Estimate(Model):
    """What a run would cost on each of some backends, in the order asked for.

    Attributes:
        remaining_budget: what the organisation can still set aside this month.
    """

    shots: int
    remaining_budget: Money | None
    estimates: tuple[BackendEstimate, ...]
