"""Circuits as people send them, as they are stored, and as they go over the wire."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from ketbase.circuits import expressions
from ketbase.circuits.gates import ALIASES, GATES, NOT_GATES
from ketbase.types import Model, Moment

MAX_JSON_QUBITS = 30
MAX_GATES = 10_000
MAX_QASM_QUBITS = 1_000
"""The most qubits any circuit may declare; each backend has its own, smaller limit."""
MAX_QASM_BYTES = 1_000_000
MAX_CLBITS = 10_000
MAX_METADATA_BYTES = 10_000
MAX_TAGS = 20
MAX_PARAMETER_BYTES = 50_000
"""What the names of a circuit's parameters and their starting values may take as JSON: they lie in a record, a
run's values for them in another, and DynamoDB's records end at 400 KB."""

type Angle = float | str
"""Radians, or a formula over named parameters (see `ketbase.circuits.expressions`)."""
type Tag = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^,\x00-\x1f]+$")]
type SourceFormat = Literal["gates", "openqasm2", "openqasm3"]


class Gate(Model):
    """One operation of the unified form.

    Attributes:
        type: a name from `ketbase.circuits.gates`, in capitals.
        targets: qubits, controls first.
        parameters: angle by name, such as `{"theta": 0.3}` or `{"theta": "theta_0"}`; the single angle of a
            rotation may go under any name.
        clbits: for `MEASURE` alone, the classical bit that takes the outcome.
    """

    type: str
    targets: tuple[Annotated[int, Field(ge=0)], ...]
    parameters: dict[str, Angle] = Field(default_factory=dict)
    clbits: tuple[Annotated[int, Field(ge=0, lt=MAX_CLBITS)], ...] = ()

    @field_validator("type", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        name = ALIASES.get(value.upper(), value.upper())
        if name not in GATES:
            raise ValueError(f"unsupported gate {value!r}; supported are {', '.join(GATES)}")
        return name

    @model_validator(mode="before")
    @classmethod
    def _one_angle_under_any_name(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("parameters"), dict):
            return data
        name = str(data.get("type", "")).upper()
        kind = GATES.get(ALIASES.get(name, name))
        given = data["parameters"]
        if kind and len(kind.angles) == 1 and len(given) == 1 and kind.angles[0] not in given:
            return {**data, "parameters": dict(zip(kind.angles, given.values(), strict=True))}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> "Gate":
        kind = GATES[self.type]
        if kind.qubits and len(self.targets) != kind.qubits:
            raise ValueError(
                f"{self.type} acts on {kind.qubits} qubit(s), but {len(self.targets)} target(s) are given"
            )
        if not self.targets:
            raise ValueError(f"{self.type} needs at least one target")
        if len(set(self.targets)) != len(self.targets):
            raise ValueError(f"{self.type} has a repeated qubit in its targets {list(self.targets)}")
        if set(self.parameters) != set(kind.angles):
            wanted = ", ".join(kind.angles) or "no parameters"
            raise ValueError(f"{self.type} takes {wanted}, but {', '.join(self.parameters) or 'none'} is given")
        if self.clbits and (self.type != "MEASURE" or len(self.clbits) != 1):
            raise ValueError("clbits belong to MEASURE, one for its one target")
        for angle in self.parameters.values():
            if isinstance(angle, str) and not expressions.names(angle):
                expressions.evaluate(angle, {})
        return self

    @property
    def angles(self) -> tuple[Angle, ...]:
        """The angles in the order of the OpenQASM gate."""
        return tuple(self.parameters[name] for name in GATES[self.type].angles)


class CircuitDefinition(Model):
    """What a circuit does: the one form in which it is stored and compiled.

    Attributes:
        format: `unified` holds `gates`; `openqasm3` holds `qasm`, for control flow that gates cannot say.
        registers: the classical registers as (name, size); a circuit that measures nothing has none.
        inputs: the free parameters by name, sorted.
        features: `measurement`, `mid_circuit_measurement`, `reset` or `control_flow`, where used.
    """

    format: Literal["unified", "openqasm3"] = "unified"
    n_qubits: Annotated[int, Field(ge=1, le=MAX_QASM_QUBITS)]
    gates: tuple[Gate, ...] = ()
    qasm: str | None = None
    registers: tuple[tuple[str, int], ...] = ()
    inputs: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    depth: int
    gate_count: int

    @classmethod
    def of_gates(
        cls, n_qubits: int, gates: Iterable[Gate], registers: Iterable[tuple[str, int]] = ()
    ) -> "CircuitDefinition":
        """Describe a list of gates; every measure needs its classical bit by now."""
        gates = tuple(gates)
        return cls(
            n_qubits=n_qubits,
            gates=gates,
            registers=tuple(registers),
            inputs=tuple(sorted(_inputs(gates))),
            features=tuple(sorted(_features(gates))),
            depth=_depth(gates),
            gate_count=sum(gate.type not in NOT_GATES for gate in gates),
        )


def _inputs(gates: Iterable[Gate]) -> set[str]:
    formulas = {angle for gate in gates for angle in gate.parameters.values() if isinstance(angle, str)}
    return {name for formula in formulas for name in expressions.names(formula)}


def _features(gates: Iterable[Gate]) -> set[str]:
    features: set[str] = set()
    measured: set[int] = set()
    for gate in gates:
        if gate.type == "BARRIER":
            continue
        if measured.intersection(gate.targets):
            features.add("mid_circuit_measurement")
        if gate.type == "MEASURE":
            features.add("measurement")
            measured.update(gate.targets)
        elif gate.type == "RESET":
            features.add("reset")
    return features


def _depth(gates: Iterable[Gate]) -> int:
    """The longest chain of operations through the circuit's qubits, barriers not counted."""
    level: dict[int, int] = {}
    for gate in gates:
        if gate.type != "BARRIER":
            reached = max(level.get(qubit, 0) for qubit in gate.targets) + 1
            level.update(dict.fromkeys(gate.targets, reached))
    return max(level.values(), default=0)


class ParameterGroup(Model):
    """Parameters that share a stem: `theta_0 … theta_15` are the group `theta`.

    Attributes:
        role: `feature` for the stem `x`, which data fills in; `trainable` for all others.
        initial_values: radians, one for each of `names`, if the author gave any.
    """

    count: int
    names: tuple[str, ...]
    role: Literal["feature", "trainable"]
    initial_values: tuple[float, ...] | None = None


class Metadata(Model):
    """What the author says about a circuit: `tags` to list by, and anything else."""

    model_config = ConfigDict(extra="allow")

    tags: Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)] = ()

    @model_validator(mode="after")
    def _within_limit(self) -> "Metadata":
        size = len(json.dumps(self.model_dump(mode="json"), ensure_ascii=False, allow_nan=False).encode())
        if size > MAX_METADATA_BYTES:
            raise ValueError(f"metadata may take {MAX_METADATA_BYTES} bytes as JSON, this takes {size}")
        return self

    @field_validator("tags", mode="after")
    @classmethod
    def _once_each(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(tags))


class Placement(Model):
    """Where a circuit was optimised to run: it stays there on that backend, and is placed anew on others.

    Attributes:
        qubits: for each qubit of the circuit, the backend's.
        original: the circuit that was optimised, the first one where that was done again and again.
    """

    backend: str
    qubits: tuple[int, ...]
    original: str


class CircuitSummary(Model):
    """A circuit in a list."""

    id: str
    user_id: str
    name: str
    description: str = ""
    n_qubits: int
    depth: int
    gate_count: int
    parameters: dict[str, ParameterGroup] = Field(default_factory=dict)
    source_format: SourceFormat
    features: tuple[str, ...] = ()
    metadata: Metadata = Metadata()
    placement: Placement | None = None
    created_at: Moment
    updated_at: Moment


class Circuit(CircuitSummary):
    """A circuit, whole."""

    circuit_definition: CircuitDefinition
    source_qasm: str | None = None


class InitialValues(Model):
    """Starting values for one group of parameters, in radians."""

    initial_values: Annotated[tuple[float, ...], Field(max_length=MAX_GATES)]


class CreateCircuit(Model):
    """The body of `POST /v1/circuits`: either `n_qubits` and `gates`, or `qasm`."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    description: Annotated[str, StringConstraints(max_length=4_000)] = ""
    n_qubits: Annotated[int, Field(ge=1, le=MAX_JSON_QUBITS)] | None = None
    gates: Annotated[tuple[Gate, ...], Field(min_length=1, max_length=MAX_GATES)] | None = None
    qasm: Annotated[str, StringConstraints(min_length=1, max_length=MAX_QASM_BYTES)] | None = None
    parameters: dict[str, InitialValues] = Field(default_factory=dict)
    metadata: Metadata = Metadata()

    @model_validator(mode="after")
    def _one_source(self) -> "CreateCircuit":
        if (self.gates is None) == (self.qasm is None):
            raise ValueError("give the circuit either as gates (with n_qubits) or as qasm")
        if self.gates is None:
            if self.n_qubits is not None:
                raise ValueError("n_qubits goes with gates; qasm declares its own qubits")
            return self
        if self.n_qubits is None:
            raise ValueError("gates need n_qubits beside them")
        for position, gate in enumerate(self.gates):
            if (highest := max(gate.targets)) >= self.n_qubits:
                raise ValueError(
                    f"gates.{position}: {gate.type} acts on qubit {highest}, "
                    f"but the circuit has qubits 0 to {self.n_qubits - 1}"
                )
        return self

    def definition(self) -> CircuitDefinition:
        """Describe the circuit given as gates. A measure without a classical bit takes its qubit's number."""
        if self.n_qubits is None or self.gates is None:
            raise ValueError("only a circuit given as gates can be described without reading its qasm")
        gates = tuple(
            gate.model_copy(update={"clbits": gate.targets}) if gate.type == "MEASURE" and not gate.clbits else gate
            for gate in self.gates
        )
        highest = max((bit for gate in gates for bit in gate.clbits), default=-1)
        registers = [("c", highest + 1)] if highest >= 0 else []
        return CircuitDefinition.of_gates(self.n_qubits, gates, registers)


class UpdateCircuit(Model):
    """The body of `PATCH /v1/circuits/{id}`: what is given replaces what was there; gates never change."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    description: Annotated[str, StringConstraints(max_length=4_000)] | None = None
    metadata: Metadata | None = None


def bind_check(inputs: Iterable[str], values: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the parameters without a value and the values without a parameter, both sorted."""
    wanted, given = set(inputs), set(values)
    return sorted(wanted - given), sorted(given - wanted)
