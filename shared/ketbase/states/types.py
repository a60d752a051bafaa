"""States as people ask for them, as they are stored, and as they go over the wire."""

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from ketbase.circuits.types import Metadata, Tag
from ketbase.types import Model, Moment

MAX_STATE_QUBITS = 10
MAX_FOUND = 1_000
NORM_TOLERANCE = 1e-6
"""How far the norm of a state that somebody sends may be from 1."""

type Amplitude = tuple[float, float]
"""Real part, imaginary part."""
type Amplitudes = tuple[Amplitude, ...]
"""In the order of the basis states' numbers; qubit 0 is the least significant bit of a number."""
type Scalar = str | bool | float


class CreateState(Model):
    """The body of `POST /v1/circuits/{id}/state`.

    Attributes:
        name: the circuit's, where none is given.
        parameters: a value in radians for each free parameter of the circuit.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    parameters: dict[str, float] = Field(default_factory=dict)
    metadata: Metadata = Metadata()


class State(Model):
    """A state in a list."""

    id: str
    user_id: str
    circuit_id: str
    name: str
    n_qubits: int
    metadata: Metadata = Metadata()
    created_at: Moment


class StateVector(State):
    """A state, whole.

    Attributes:
        parameters: radians, as the circuit was given them.
        amplitudes: [real part, imaginary part] for each basis state; qubit 0 is the least significant bit of its
            number.
    """

    parameters: dict[str, float]
    amplitudes: Amplitudes


class StateFilter(Model):
    """Which states are searched: those that fit all that is said.

    Attributes:
        circuit_id: of the circuit that made them.
        tags: that they carry, all of them.
        metadata: text, numbers or booleans that lie in their metadata under these names, at the top.
    """

    circuit_id: str | None = None
    tags: Annotated[tuple[Tag, ...], Field(max_length=20)] = ()
    metadata: Annotated[dict[str, Scalar], Field(max_length=20)] = Field(default_factory=dict)


class SearchStates(Model):
    """The body of `POST /v1/states/search`: what to compare with, given in one of three ways.

    Attributes:
        state_id: a state that is kept; it is left out of what is found.
        circuit_id: a circuit, whose state is computed with `parameters` (radians), and not kept.
        amplitudes: [real part, imaginary part] for each basis state, of norm 1 together.
        top_k: the most states that are found.
        min_fidelity: the least fidelity of what is found.
        filter: which states are searched.
    """

    state_id: str | None = None
    circuit_id: str | None = None
    parameters: dict[str, float] = Field(default_factory=dict)
    amplitudes: Amplitudes | None = None
    top_k: Annotated[int, Field(ge=1, le=MAX_FOUND)] = 10
    min_fidelity: Annotated[float, Field(ge=0, le=1)] = 0.0
    filter: StateFilter = StateFilter()

    @model_validator(mode="after")
    def _one_way(self) -> "SearchStates":
        given = [name for name in ("state_id", "circuit_id", "amplitudes") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give one of state_id, circuit_id and amplitudes, not {' and '.join(given) or 'none'}"
            )
        if self.parameters and self.circuit_id is None:
            raise ValueError("parameters go with circuit_id")
        return self


class Neighbour(Model):
    """A state that was found.

    Attributes:
        fidelity: |⟨φ|ψ⟩|² of the state that was asked for, φ, and this one, ψ; from 0 to 1.
        phase: of ⟨φ|ψ⟩ in radians, above −π and up to π; of little meaning where the fidelity is near 0.
    """

    state: State
    fidelity: float
    phase: float


class Neighbours(Model):
    """What a search found, the highest fidelity first, of two equals the older.

    Attributes:
        n_qubits: only states of as many qubits are compared.
        complete: whether no other state can belong among these, as far as the store of vectors found its nearest;
            the embedded one is certain up to 5,000 states of a tenant and a number of qubits.
    """

    n_qubits: int
    complete: bool
    neighbours: tuple[Neighbour, ...]
