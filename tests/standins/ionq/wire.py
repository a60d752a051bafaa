"""What may be posted, field by field as the API describes it; whatever else is posted is an error."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tests.standins.ionq import gates

MAX_CONTROLS = 7
MAX_CIRCUITS = 5_000
MAX_GATES = 150_000


class Strict(BaseModel):
    """Knows no other field than its own."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Gate(Strict):
    """A gate of either set."""

    gate: str
    target: int | None = None
    targets: list[int] | None = None
    control: int | None = None
    controls: list[int] | None = None
    rotation: float | None = None
    phase: float | None = None
    phases: list[float] | None = None
    angle: float | None = None

    @property
    def on(self) -> list[int]:
        return self.targets if self.targets is not None else [] if self.target is None else [self.target]

    @property
    def under(self) -> list[int]:
        return self.controls if self.controls is not None else [] if self.control is None else [self.control]

    def step(self, gateset: str) -> gates.Step:
        """Raises KeyError for a gate that the set does not have."""
        if gateset == "qis":
            return gates.qis(self.gate, self.on, self.under, self.rotation)
        phases = self.phases if self.phases is not None else [] if self.phase is None else [self.phase]
        return gates.native(self.gate, self.on, phases, self.angle)


class NamedCircuit(Strict):
    name: str | None = None
    circuit: list[Gate]
    qubits: int | None = None
    registers: dict[str, list[float | None]] | None = None
    gateset: Literal["qis", "native"] | None = None


class SingleInput(Strict):
    circuit: list[Gate]
    gateset: Literal["qis", "native"]
    qubits: Annotated[int, Field(ge=1)] | None = None


class MultiInput(BaseModel):
    gateset: Literal["qis", "native"]
    circuits: Annotated[list[NamedCircuit], Field(min_length=1, max_length=MAX_CIRCUITS)]
    qubits: Annotated[int, Field(ge=1)] | None = None


class NoiseChoice(Strict):
    model: Literal[
        "ideal", "harmony", "harmony-1", "harmony-2", "aria-1", "aria-2", "forte-1", "forte-enterprise-1"
    ]
    seed: Annotated[int, Field(lt=2**31)] | None = None


class Mitigation(Strict):
    debiasing: bool = False
    symmetry_verification: bool = False


class Compilation(Strict):
    gate_basis: str | None = None
    precision: str | None = None
    opt: float | None = None


class JobSettings(Strict):
    error_mitigation: Mitigation | None = None
    compilation: Compilation | None = None


class Posted(Strict):
    """The body of POST /jobs."""

    type: Literal["ionq.circuit.v1", "ionq.multi-circuit.v1"]
    backend: str
    name: str | None = None
    metadata: Annotated[dict[str, str], Field(max_length=10)] | None = None
    shots: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    session_id: str | None = None
    settings: JobSettings | None = None
    dry_run: bool = False
    noise: NoiseChoice | None = None
    input: SingleInput | MultiInput

    @model_validator(mode="after")
    def _one_type(self) -> Self:
        if isinstance(self.input, MultiInput) != (self.type == "ionq.multi-circuit.v1"):
            raise ValueError("the input is not of the job's type")
        if any(len(name) > 40 or len(value) > 40_000 for name, value in (self.metadata or {}).items()):
            raise ValueError("a metadata name has at most 40 characters, a value at most 40000")
        if sum(len(circuit.circuit) for circuit in self.circuits) > MAX_GATES:
            raise ValueError(f"a job has at most {MAX_GATES} gates")
        mitigation = self.settings.error_mitigation if self.settings else None
        if mitigation and mitigation.debiasing and self.shots < 500:
            raise ValueError("debiasing needs at least 500 shots")
        return self

    @property
    def circuits(self) -> Sequence[NamedCircuit]:
        if isinstance(self.input, MultiInput):
            return self.input.circuits
        return [NamedCircuit(circuit=self.input.circuit, qubits=self.input.qubits)]

    def gateset(self, circuit: NamedCircuit) -> str:
        return circuit.gateset or self.input.gateset

    def width(self, circuit: NamedCircuit) -> int:
        """How many qubits a circuit's states have."""
        used = [qubit for gate in circuit.circuit for qubit in (*gate.on, *gate.under)]
        return max(circuit.qubits or self.input.qubits or 1, max(used, default=-1) + 1)
