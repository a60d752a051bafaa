"""What a run is asked, and what it answers."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ketbase.backends.experiments import (
    MAX_OBSERVABLES,
    MAX_PARAMETER_SETS,
    MAX_SHOTS,
    ExecutionMode,
    ExpectationValue,
    Experiment,
    Mitigation,
    Observable,
)
from ketbase.backends.lanes import Lane
from ketbase.backends.types import Calibration
from ketbase.circuits.types import CircuitDefinition
from ketbase.jobs.types import JobReference, Priority, Remote
from ketbase.money import Money, positive
from ketbase.run.choosing import AUTO, Candidate, Choice, Choosing, Constraints, Objective
from ketbase.steps.types import StepInput
from ketbase.types import Model, Moment

MAX_SEED = 2**31 - 1


class RunOptions(Model):
    """How a circuit is run.

    Attributes:
        shots: of each circuit.
        seed: of the compiler and the simulator; the same seed gives the same counts. Drawn where not given.
        parameters: a value in radians for each free parameter of the circuit.
        sweep: several such sets, each run by itself; values of `parameters` hold in all of them.
        observables: to estimate, in place of counting the circuit's own measurements.
        mitigation: what is done about errors in their expectation values.
        noise: whether a simulated device adds the noise of its calibration; ideal simulators have none.
        optimization_level: of the compiler, 0 to 3.
        execution_mode: `batch` or `session` hold a machine of IBM's in one of its own for the run.
    """

    shots: Annotated[int, Field(ge=1, le=MAX_SHOTS)] = 1_024
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    parameters: dict[str, float] = Field(default_factory=dict)
    sweep: Annotated[tuple[dict[str, float], ...], Field(max_length=MAX_PARAMETER_SETS)] = ()
    observables: Annotated[tuple[Observable, ...], Field(max_length=MAX_OBSERVABLES)] = ()
    mitigation: Mitigation = Mitigation()
    noise: bool = True
    optimization_level: Annotated[int, Field(ge=0, le=3)] = 2
    execution_mode: ExecutionMode = "job"

    @property
    def experiment(self) -> Experiment:
        """What the circuit is executed for."""
        sets = tuple({**self.parameters, **each} for each in self.sweep) or (self.parameters,)
        return Experiment(
            parameters=sets,
            observables=self.observables,
            mitigation=self.mitigation,
            execution_mode=self.execution_mode,
        )


class RunCircuit(RunOptions):
    """The body of `POST /v1/circuits/{id}/run`.

    Attributes:
        backend: the id of a backend of `GET /v1/backends`, or `auto` to have one chosen; where none is named, the
            caller's default, or `aer`.
        objective: by what `auto` chooses: the highest fidelity, the lowest cost, or the shortest time.
        constraints: what the chosen backend must be like.
        budget_limit: what the run may cost, in dollars, in place of the ceiling that Ketbase would choose.
    """

    backend: str | None = None
    objective: Objective | None = None
    constraints: Constraints | None = None
    priority: Priority = Priority.NORMAL
    budget_limit: Annotated[Money, AfterValidator(positive)] | None = None

    @model_validator(mode="after")
    def _choice_is_asked_for(self) -> Self:
        if self.backend != AUTO and (self.objective is not None or self.constraints is not None):
            raise ValueError('objective and constraints go with "backend": "auto"')
        return self

    @property
    def choosing(self) -> Choosing:
        """By what a backend is chosen."""
        return Choosing(objective=self.objective or "fidelity", constraints=self.constraints or Constraints())


class RunConfig(RunOptions):
    """What the job keeps: the same, with the backend that was chosen and the seed that was drawn.

    Attributes:
        circuits: how many are executed in all.
        apart: whether its sweep and its observables lie beside the job's record; see `ketbase.run.configs`.
        choosing: where a backend is to be chosen, by what.
        candidates: the backends that it is chosen from, until it is chosen.
    """

    backend: str
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    choosing: Choosing | None = None
    candidates: tuple[Candidate, ...] = ()
    circuits: int = 1
    apart: bool = False


class Routed(JobReference):
    """What the step that compiles answers.

    Attributes:
        lane: where the compiled circuit is executed.
        queue: of Batch jobs for that lane, where it is one of theirs.
        definition: of the Batch job.
    """

    lane: Lane
    queue: str = ""
    definition: str = ""


class HandedOver(StepInput):
    """What the workflow gives the step that hands a job over.

    Attributes:
        token: by which the workflow goes on.
    """

    token: str


class CompiledView(Model):
    """The compiled circuit, for people and for provenance; see `ketbase.backends.types.CompiledCircuit`."""

    qasm: str
    depth: int
    gate_counts: dict[str, int]
    n_qubits: int
    physical_qubits: tuple[int, ...]
    layout: tuple[int, ...]
    two_qubit_gates: int = 0
    estimated_success: float | None = None


class Provenance(Model):
    """All that is needed to repeat a run, and to explain it later.

    Attributes:
        calibration_id: of the calibration in force when it ran, in `GET /v1/backends/{id}/calibrations`.
        method: how it was simulated.
        execution_seconds: wall time of the execution alone.
        started_at: when the execution began; `ended_at` when it ended.
        choice: how the backend was chosen, where that was asked for.
        remote: the job at its provider, if one ran it; what that answered is kept with the job as `provider.json`.
    """

    circuit_id: str
    circuit: CircuitDefinition
    source_qasm: str | None
    compiled: CompiledView
    backend: str
    calibration: Calibration | None
    calibration_id: str | None = None
    options: RunConfig
    method: str
    sdk: dict[str, str]
    execution_seconds: float
    started_at: Moment
    ended_at: Moment
    remote: Remote | None = None
    choice: Choice | None = None


class RunResult(Model):
    """The result of a run.

    Attributes:
        counts: shots per bitstring, the most frequent first; classical bit 0 is rightmost. Of a sweep, those of its
            first parameter set; empty where observables were asked for.
        sweep: the counts under each parameter set, in the order of the request.
        expectation_values: of each observable under each parameter set.
        shots: of each circuit.
        circuits: how many were executed.
        registers: the classical registers in the order of declaration; the first is rightmost.
    """

    job_id: str
    counts: dict[str, int]
    sweep: tuple[dict[str, int], ...] = ()
    expectation_values: tuple[ExpectationValue, ...] = ()
    shots: int
    circuits: int = 1
    registers: tuple[tuple[str, int], ...]
    provenance: Provenance
