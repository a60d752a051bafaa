"""What optimising a circuit is asked, and what it answers."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ketbase.circuits.types import CircuitDefinition
from ketbase.jobs.types import Priority
from ketbase.money import Money, positive
from ketbase.run.types import MAX_SEED
from ketbase.types import Model, Moment

MAX_EFFORT_S = 300.0
DEFAULT_EFFORT_S = 10.0
MAX_NATIVE_GATES = 40_000
"""What a circuit may have in a backend's own gates, where a gate that was posted becomes several; about 4 MB."""


type Status = Literal["equivalent", "not_equivalent", "not_checked"]
type Method = Literal["stabilizer", "statevector", "qcec"]
type Sameness = Literal["unitary", "distribution"]


class OptimizeOptions(Model):
    """How a circuit is optimised.

    Attributes:
        optimization_level: 0 only translates and routes, 1 and 2 are the compiler's own, 3 searches.
        effort: for how long to search, in seconds.
        seed: the same seed, effort and machine give the same circuit, as far as a search by time allows; another
            one searches again where the first search is known.
    """

    optimization_level: Annotated[int, Field(ge=0, le=3)] = 3
    effort: Annotated[float, Field(ge=1.0, le=MAX_EFFORT_S)] = DEFAULT_EFFORT_S
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0


class OptimizeCircuit(OptimizeOptions):
    """The body of `POST /v1/circuits/{id}/optimize`.

    Attributes:
        target_backend: the id of a backend of `GET /v1/backends`.
        name: of the circuit that comes out; that of the original with the backend's, where none is given.
        budget_limit: what the job may cost, in dollars, in place of the ceiling that Ketbase would choose.
    """

    target_backend: str
    name: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    priority: Priority = Priority.NORMAL
    budget_limit: Annotated[Money, AfterValidator(positive)] | None = None


class OptimizeConfig(OptimizeOptions):
    """What the job keeps.

    Attributes:
        optimized_circuit_id: of the circuit that will come out, so that a repeated step makes no second one.
    """

    target_backend: str
    name: str
    optimized_circuit_id: str


class Verification(Model):
    """Whether the optimised circuit does what the submitted one does.

    Attributes:
        status: `not_checked` where no method could decide, with the reason.
        method: what decided: `stabilizer` and `qcec` for every input, `statevector` on |0…0⟩ and a random state.
        same: `unitary`, up to a global phase and the order of the qubits at the end; or `distribution`: the
            measured bits are distributed alike, but phases right before the measurements are gone, so nothing may
            be put between the circuit and its measurements.
        deviation: how far the two are apart on the states that were tried: 1 minus the fidelity of what comes out,
            or of its distributions. 0 for exact methods.
        seconds: wall time of the check.
    """

    status: Status
    method: Method | None = None
    same: Sameness | None = None
    deviation: float | None = None
    reason: str | None = None
    seconds: float = 0.0


class Figures(Model):
    """The size of a circuit.

    Attributes:
        depth: operations on the longest path, measurements included, barriers not.
        gate_counts: how often each operation occurs, the most frequent first; barriers are not counted.
        two_qubit_gates: gates on two qubits or more.
        two_qubit_depth: the same on the longest path.
        estimated_success: the probability that no error happens; `None` where no calibration is known, or where the
            circuit is not one that the backend runs as it is.
    """

    depth: int
    gate_counts: dict[str, int]
    two_qubit_gates: int
    two_qubit_depth: int
    estimated_success: float | None = Field(default=None, ge=0, le=1)


class Optimized(Model):
    """What an optimiser found.

    Attributes:
        definition: the circuit in the backend's own gates, on as many qubits as it touches.
        placement: for each of these qubits, the backend's qubit.
        original: the circuit as it was given.
        baseline: the same for the backend by the compiler's level 1.
        optimized: what was found.
        candidate: what found it.
        candidates: how many were tried.
        seconds: that it took, verification included.
    """

    definition: CircuitDefinition
    placement: tuple[int, ...]
    original: Figures
    baseline: Figures
    optimized: Figures
    candidate: str
    candidates: int
    verification: Verification
    calibrated_at: Moment | None
    seconds: float
    sdk: dict[str, str]


class OptimizeResult(Model):
    """The result of an optimisation.

    Attributes:
        optimized_circuit_id: a circuit like any other; run on the target backend, it stays on the qubits it was
            optimised for.
        gate_reduction: gates saved against `baseline`, in per cent, such as `37.8%`; negative where there are more.
        two_qubit_reduction: the same of gates on two qubits.
        verified: whether the two circuits are known to be equivalent.
        cached: whether the same was found before.
    """

    job_id: str
    circuit_id: str
    optimized_circuit_id: str
    target_backend: str
    original_depth: int
    optimized_depth: int
    gate_reduction: str
    two_qubit_reduction: str
    verified: bool
    verification: Verification
    original: Figures
    baseline: Figures
    optimized: Figures
    placement: tuple[int, ...]
    candidate: str
    candidates: int
    cached: bool
    options: OptimizeConfig
    calibrated_at: Moment | None
    seconds: float
    sdk: dict[str, str]


def gates(figures: Figures) -> int:
    """Count the gates of a circuit: its operations but measurements and resets."""
    return sum(n for name, n in figures.gate_counts.items() if name not in ("measure", "reset"))


def reduction(before: int, after: int) -> str:
    """Say by how much a number went down, in per cent."""
    return "0.0%" if not before else f"{100 * (before - after) / before:.1f}%"
