"""Keeps an organisation's circuits."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from ketbase.accounts.types import Caller
from ketbase.audit.lines import line
from ketbase.circuits.store import CircuitStore
from ketbase.circuits.types import (
    MAX_PARAMETER_BYTES,
    Circuit,
    CircuitSummary,
    CreateCircuit,
    InitialValues,
    ParameterGroup,
    SourceFormat,
    UpdateCircuit,
)
from ketbase.errors import ConflictError, InvalidCircuitError, NotFoundError
from ketbase.ids import new_id
from ketbase.paging import PageRequest, Slice, take
from ketbase.ports.clock import Clock
from ketbase.ports.quantum import CircuitLanguage

_TRIES = 5


class Circuits:
    """What can be done with circuits without running them."""

    def __init__(self, store: CircuitStore, language: Callable[[], CircuitLanguage], clock: Clock):
        """Wire it; `language` is only asked for where there is text to read or write: few functions carry it."""
        self._store = store
        self._language = language
        self._clock = clock

    def create(self, caller: Caller, body: CreateCircuit) -> Circuit:
        """Check a circuit and keep it.

        Raises:
            InvalidCircuitError: the OpenQASM cannot be read, `initial_values` do not fit the parameters, or
                there are too many parameters.
        """
        definition = body.definition() if body.qasm is None else self._language().parse(body.qasm)
        now = self._clock.now()
        circuit = Circuit(
            id=new_id("circuit"),
            user_id=caller.user_id,
            name=body.name,
            description=body.description,
            n_qubits=definition.n_qubits,
            depth=definition.depth,
            gate_count=definition.gate_count,
            parameters=_within_a_record(group_parameters(definition.inputs, body.parameters)),
            source_format="gates" if body.qasm is None else _qasm_version(body.qasm),
            features=definition.features,
            metadata=body.metadata,
            created_at=now,
            updated_at=now,
            circuit_definition=definition,
            source_qasm=body.qasm,
        )
        told = line(self._clock, caller, "circuit.created", circuit.id, name=circuit.name)
        self._store.add(caller.organization_id, circuit, told)
        return circuit

    def get(self, caller: Caller, circuit_id: str) -> Circuit:
        """Read a circuit, whole.

        Raises:
            NotFoundError: `CIRCUIT_NOT_FOUND`.
        """
        circuit = self._store.get(caller.organization_id, circuit_id)
        if circuit is None:
            raise _not_found(circuit_id)
        return circuit

    def list(self, caller: Caller, tags: Iterable[str], request: PageRequest) -> Slice[CircuitSummary]:
        """List the circuits that carry all of `tags`, in order of creation."""
        wanted = tuple(dict.fromkeys(tags))
        walk = self._store.walk(caller.organization_id, wanted, after=request.cursor, descending=request.descending)
        return take(walk, request, self._store.count(caller.organization_id, wanted))

    def update(self, caller: Caller, circuit_id: str, body: UpdateCircuit) -> CircuitSummary:
        """Change a circuit's name, description or metadata.

        Raises:
            NotFoundError: `CIRCUIT_NOT_FOUND`.
            ConflictError: `CIRCUIT_BUSY`, others changed it at the same moment, again and again.
        """
        changes = {name: getattr(body, name) for name in body.model_fields_set if getattr(body, name) is not None}
        for _ in range(_TRIES):
            before = self._summary(caller, circuit_id)
            after = before.model_copy(update={**changes, "updated_at": self._clock.now()})
            told = line(self._clock, caller, "circuit.updated", circuit_id, fields=sorted(changes))
            if self._store.replace(caller.organization_id, before, after, told):
                return after
        raise _busy(circuit_id)

    def delete(self, caller: Caller, circuit_id: str) -> None:
        """Take a circuit away. Jobs that were submitted keep their own copy.

        Raises:
            NotFoundError: `CIRCUIT_NOT_FOUND`.
            ConflictError: `CIRCUIT_BUSY`.
        """
        for _ in range(_TRIES):
            circuit = self._summary(caller, circuit_id)
            told = line(self._clock, caller, "circuit.deleted", circuit_id, name=circuit.name)
            if self._store.remove(caller.organization_id, circuit, told):
                return
        raise _busy(circuit_id)

    def qasm(self, caller: Caller, circuit_id: str, version: Literal[2, 3]) -> str:
        """Write a circuit as OpenQASM.

        Raises:
            NotFoundError: `CIRCUIT_NOT_FOUND`.
            InvalidCircuitError: `NOT_EXPRESSIBLE` in that version.
        """
        return self._language().export(self.get(caller, circuit_id).circuit_definition, version)

    def diagram(self, caller: Caller, circuit_id: str, form: Literal["svg", "text"]) -> str:
        """Draw a circuit.

        Raises:
            NotFoundError: `CIRCUIT_NOT_FOUND`.
            InvalidCircuitError: `CIRCUIT_TOO_COMPLEX` to be looked at.
        """
        return self._language().draw(self.get(caller, circuit_id).circuit_definition, form)

    def _summary(self, caller: Caller, circuit_id: str) -> CircuitSummary:
        summary = self._store.summary(caller.organization_id, circuit_id)
        if summary is None:
            raise _not_found(circuit_id)
        return summary


def group_parameters(
    inputs: Iterable[str], initial_values: Mapping[str, InitialValues]
) -> dict[str, ParameterGroup]:
    """Group parameters by stem (`theta_0`, `theta_1` → `theta`), with the author's starting values.

    Raises:
        InvalidCircuitError: `INVALID_PARAMETERS`, values for no group, or not one for each parameter.
    """
    groups: dict[str, list[str]] = {}
    for name in inputs:
        stem = re.sub(r"_?\d+$", "", name) or name
        groups.setdefault(stem, []).append(name)
    for stem, values in initial_values.items():
        given, wanted = len(values.initial_values), len(groups.get(stem, ()))
        if given != wanted:
            raise InvalidCircuitError(
                "INVALID_PARAMETERS",
                f"parameters.{stem} has {given} initial values, but the circuit has {wanted} such parameters.",
                field=f"parameters.{stem}.initial_values",
                parameters=groups.get(stem, []),
            )
    return {
        stem: ParameterGroup(
            count=len(names),
            names=tuple(sorted(names, key=_natural)),
            role="feature" if stem == "x" else "trainable",
            initial_values=initial_values[stem].initial_values if stem in initial_values else None,
        )
        for stem, names in sorted(groups.items())
    }


def _within_a_record(groups: dict[str, ParameterGroup]) -> dict[str, ParameterGroup]:
    size = len(json.dumps([(group.names, group.initial_values) for group in groups.values()]))
    if size > MAX_PARAMETER_BYTES:
        raise InvalidCircuitError(
            "CIRCUIT_TOO_LARGE",
            f"The names of the parameters and their initial values take {size:,} bytes as JSON; "
            f"at most {MAX_PARAMETER_BYTES:,} are kept.",
            field="parameters",
            limit_bytes=MAX_PARAMETER_BYTES,
        )
    return groups


def _natural(name: str) -> tuple[str, int]:
    number = re.search(r"\d+$", name)
    return (name[: number.start()], int(number.group())) if number else (name, -1)


def _qasm_version(qasm: str) -> SourceFormat:
    declared = re.search(r"^\s*OPENQASM\s+(\d)", qasm, re.MULTILINE)
    return "openqasm2" if declared and declared.group(1) == "2" else "openqasm3"


def _not_found(circuit_id: str) -> NotFoundError:
    return NotFoundError("CIRCUIT_NOT_FOUND", f"There is no circuit {circuit_id!r}.", circuit_id=circuit_id)


def _busy(circuit_id: str) -> ConflictError:
    return ConflictError(
        "CIRCUIT_BUSY",
        "The circuit was changed by others at the same moment; try again.",
        circuit_id=circuit_id,
    )
