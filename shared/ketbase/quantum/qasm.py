"""Tasks of the children that handle foreign text: parse, export, draw."""

import io
import re
from typing import Any, Literal

import matplotlib as mpl
from qiskit import QuantumCircuit, qasm2, qasm3
from qiskit.exceptions import QiskitError

from ketbase.circuits.types import CircuitDefinition
from ketbase.errors import InvalidCircuitError, KetbaseError
from ketbase.quantum import openqasm3
from ketbase.quantum.build import circuit_of
from ketbase.quantum.describe import definition_of
from ketbase.quantum.limits import invalid, too_complex, version_of

MAX_DRAWN_QUBITS = {"svg": 60, "text": 100}
MAX_DRAWN_OPERATIONS = {"svg": 250, "text": 2_000}
MAX_DRAWN_CELLS = {"svg": 4_000, "text": 200_000}
"""The most qubits times depth; Qiskit's drawer takes about 0.5 ms for each in SVG, and 6 ms for each operation."""

_QASM2_PLACE = re.compile(r"<input>:(\d+),(\d+): (.*)", re.DOTALL)
_SHORT_INVERSE = re.compile(r"\ba(sin|cos|tan)\(")
"""What Qiskit writes for OpenQASM's `arcsin`, `arccos` and `arctan`."""
_COLUMNS = {"svg": 25, "text": 160}
"""Where a drawing begins a new row: gates for SVG, characters for text."""


def parse(qasm: str) -> dict[str, Any]:
    """Read OpenQASM 2 or 3 into a `CircuitDefinition`, as JSON.

    Raises:
        InvalidCircuitError: as `CircuitLanguage.parse`.
    """
    reader = _read_openqasm2 if version_of(qasm) == 2 else openqasm3.read
    try:
        return definition_of(reader(qasm)).model_dump(mode="json")
    except RecursionError as problem:
        raise too_complex("the text nests definitions or expressions too deeply") from problem
    except (KetbaseError, MemoryError):
        raise
    except Exception as problem:  # whatever the readers fail with, it is the text that made them fail
        raise invalid(f"the text cannot be read: {problem}") from problem


def export(definition: dict[str, Any], version: Literal[2, 3]) -> str:
    """Write a circuit as OpenQASM.

    Raises:
        InvalidCircuitError: `NOT_EXPRESSIBLE`.
    """
    stored = CircuitDefinition.model_validate(definition)
    if version == 2:
        return _export_openqasm2(stored)
    if stored.format == "openqasm3":
        return stored.qasm or ""
    circuit = circuit_of(stored)
    text: str = _SHORT_INVERSE.sub(r"arc\1(", qasm3.dumps(circuit))
    for name in (parameter.name for parameter in circuit.parameters):
        if f"input float[64] {name};" not in text:
            raise _not_expressible(
                f"the parameter '{name}' has a name that OpenQASM 3 uses for a gate or keyword; "
                f"rename it, say to '{name}_0'"
            )
    return text


def draw(definition: dict[str, Any], form: Literal["svg", "text"]) -> str:
    """Draw a circuit, qubit 0 on top; the same circuit gives the same text.

    Raises:
        InvalidCircuitError: `CIRCUIT_TOO_COMPLEX`.
    """
    stored = CircuitDefinition.model_validate(definition)
    circuit = circuit_of(stored)
    shown = {
        "qubits": (stored.n_qubits, MAX_DRAWN_QUBITS[form]),
        "operations": (max(len(circuit.data), stored.gate_count), MAX_DRAWN_OPERATIONS[form]),
        "qubits times depth": (stored.n_qubits * stored.depth, MAX_DRAWN_CELLS[form]),
    }
    for what, (size, limit) in shown.items():
        if size > limit:
            other = "; the text form shows more" if form == "svg" else ""
            raise too_complex(
                f"the drawing would show {size:,} {what}; {form} drawings show at most {limit:,}{other}",
                size=size,
                limit=limit,
            )
    if form == "text":
        return str(circuit.draw("text", fold=_COLUMNS["text"]))
    return _svg(circuit)


def warm() -> None:
    """Use every reader, writer and drawer once: their caches are then inherited by the children."""
    for text in (
        'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; gate g(a) x { rx(a/2) x; } g(pi) q[0]; '
        "cx q[0],q[1]; measure q -> c; if (c==1) x q[0];",
        'OPENQASM 3.0; include "stdgates.inc"; input float[64] theta; gate g(a) x { rx(2*a) x; } qubit[2] q; '
        "bit[2] c; g(-theta/2 + sin(pi)) q[0]; ctrl @ h q[0], q[1]; for int i in [0:2] { rz(i) q[0]; } "
        "c[0] = measure q[0]; barrier q; if (c[0]) { reset q[1]; } c = measure q;",
    ):
        definition = parse(text)
        draw(definition, "text")
        export(definition, 3)
    plain = (
        'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; rz(pi) q; measure q -> c;'
    )
    export(parse(plain), 2)
    draw(parse(plain), "svg")


def _read_openqasm2(qasm: str) -> QuantumCircuit:
    try:
        return qasm2.loads(
            qasm,
            include_path=(),
            custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS,
            custom_classical=qasm2.LEGACY_CUSTOM_CLASSICAL,
        )
    except qasm2.QASM2ParseError as problem:
        place = _QASM2_PLACE.search(str(problem.message))
        if place is None:
            raise invalid(str(problem.message)) from problem
        raise invalid(place[3].strip().strip("\"'"), int(place[1]), int(place[2])) from problem
    except QiskitError as problem:
        raise invalid(problem.message) from problem


def _export_openqasm2(stored: CircuitDefinition) -> str:
    if stored.inputs:
        raise _not_expressible(f"OpenQASM 2 has no free parameters ({', '.join(stored.inputs)}); export version 3")
    if stored.format == "openqasm3":
        raise _not_expressible("OpenQASM 2 cannot say this circuit's control flow or timing; export version 3")
    text: str = qasm2.dumps(circuit_of(stored))
    return text


def _not_expressible(message: str) -> InvalidCircuitError:
    return InvalidCircuitError("NOT_EXPRESSIBLE", message)


def _svg(circuit: QuantumCircuit) -> str:
    with mpl.rc_context({"svg.hashsalt": "ketbase"}):
        figure = circuit.draw("mpl", fold=_COLUMNS["svg"])
        picture = io.StringIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
        return picture.getvalue()
