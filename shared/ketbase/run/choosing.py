"""By what a run's backend is chosen, and how the choice is told."""

from typing import Annotated, Literal

from pydantic import Field

from ketbase.backends.types import BackendType, CompiledCircuit
from ketbase.money import Money
from ketbase.types import Model

AUTO = "auto"
"""In place of a backend: Ketbase chooses one."""

type Objective = Literal["fidelity", "cost", "time"]


class Constraints(Model):
    """What a chosen backend must be like.

    Attributes:
        backends: only one of these; `types` and `providers` likewise.
        min_success: the least estimated probability that no error happens.
        max_cost: what the run may be expected to cost, in dollars.
        max_wait_s: how long jobs may have to wait there, in seconds.
    """

    backends: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    types: Annotated[tuple[BackendType, ...], Field(max_length=3)] = ()
    providers: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    min_success: Annotated[float, Field(ge=0, le=1)] | None = None
    max_cost: Money | None = None
    max_wait_s: Annotated[float, Field(ge=0)] | None = None


class Candidate(Model):
    """A backend that was considered.

    Attributes:
        predicted_success: the probability that no error happens, by the circuit's size and the backend's medians.
        estimated_success: the same of the compiled circuit, gate by gate; `None` until it is compiled.
        estimated_cost: what the run is expected to cost there.
        estimated_wait_s: how long jobs wait there now, in seconds.
        expected_seconds: of computing, beside the wait.
        excluded: why it was not chosen, where it could not be.
    """

    backend: str
    predicted_success: float
    estimated_success: float | None = None
    estimated_cost: Money
    estimated_wait_s: float
    expected_seconds: float
    depth: int | None = None
    two_qubit_gates: int | None = None
    physical_qubits: tuple[int, ...] = ()
    excluded: str | None = None

    @property
    def success(self) -> float:
        """The best that is known of how likely no error happens."""
        return self.predicted_success if self.estimated_success is None else self.estimated_success

    @property
    def seconds(self) -> float:
        """How long the run is expected to take there, waiting included."""
        return self.estimated_wait_s + self.expected_seconds


class Choice(Model):
    """Which backend was chosen, and why, with the estimate for each candidate."""

    objective: Objective
    backend: str
    reason: str
    candidates: tuple[Candidate, ...]


class Choosing(Model):
    """An objective and its constraints."""

    objective: Objective = "fidelity"
    constraints: Constraints = Constraints()

    def key(self, candidate: Candidate) -> tuple[float, ...]:
        """What the best candidate has the least of; whatever the objective leaves open, the others decide."""
        success, cost, seconds = -candidate.success, float(candidate.estimated_cost.nano), candidate.seconds
        match self.objective:
            case "fidelity":
                return success, cost, seconds
            case "cost":
                return cost, success, seconds
            case "time":
                return seconds, success, cost

    def judged(self, candidate: Candidate, compiled: CompiledCircuit) -> Candidate:
        """Say what a candidate makes of the compiled circuit, and whether that is good enough."""
        success = candidate.predicted_success if compiled.estimated_success is None else compiled.estimated_success
        least = self.constraints.min_success
        short = least is not None and success < least
        return candidate.model_copy(
            update={
                "estimated_success": success,
                "depth": compiled.depth,
                "two_qubit_gates": compiled.two_qubit_gates,
                "physical_qubits": compiled.physical_qubits,
                "excluded": f"its estimated success is {success:.3f}" if short else None,
            }
        )

    def reason(self, chosen: Candidate, considered: int) -> str:
        """Say in words why a candidate was chosen."""
        of = f"of {considered} candidates" if considered > 1 else "and the only candidate"
        match self.objective:
            case "fidelity":
                return f"estimated success {chosen.success:.3f}, the highest {of}"
            case "cost":
                return f"expected to cost ${chosen.estimated_cost}, the least {of}"
            case "time":
                return f"expected to take {chosen.seconds:.1f} s with the wait, the least {of}"
