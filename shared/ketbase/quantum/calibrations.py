"""What a calibration says, in Ketbase's words: its medians, and the figures of each qubit and gate."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from qiskit.transpiler import Target

from ketbase.backends.remote import GateProperties, Properties
from ketbase.backends.types import Calibration
from ketbase.quantum.targets import DEAD

if TYPE_CHECKING:
    from qiskit_ibm_runtime.models import BackendProperties

_TWO_QUBIT_GATES = ("cz", "ecr", "cx")
_SIGNIFICANT = 6
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "ps": 1e-12}
_HERTZ = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}


def two_qubit_gate(target: Target) -> str | None:
    """Return a machine's native gate on two qubits."""
    return next((gate for gate in _TWO_QUBIT_GATES if gate in target.operation_names), None)


def errors(target: Target, operation: str) -> list[float]:
    """Return the errors of an operation wherever it works, or everywhere if it works nowhere."""
    where = target[operation].values() if operation in target.operation_names else ()
    found = [each.error for each in where if each is not None and each.error is not None]
    return [error for error in found if error < DEAD] or found


def medians(target: Target, taken_at: datetime) -> Calibration | None:
    """Return the medians over the qubits and couplers that work; `None` where the calibration lacks a figure."""
    pair, qubits = two_qubit_gate(target), target.qubit_properties or ()
    if pair is None:
        return None
    figures = {
        "median_readout_error": errors(target, "measure"),
        "median_two_qubit_error": errors(target, pair),
        "median_single_qubit_error": errors(target, "sx"),
        "median_t1_us": [qubit.t1 * 1e6 for qubit in qubits if qubit.t1],
        "median_t2_us": [qubit.t2 * 1e6 for qubit in qubits if qubit.t2],
    }
    if not all(figures.values()):
        return None
    return Calibration(taken_at=taken_at, **{name: _median(values) for name, values in figures.items()})


def properties_of(backend: str, said: "BackendProperties", raw: Mapping[str, Any] | None = None) -> Properties:
    """Put all figures of a calibration into Ketbase's units.

    A gate that is said to be out of operation has error 1, as calibrations mark most of what is dead.

    Args:
        backend: its id.
        said: the calibration in Qiskit's form.
        raw: what the provider answered, JSON-like, where it is kept.
    """
    taken_at: datetime = said.last_update_date
    return Properties(
        backend=backend,
        taken_at=taken_at.astimezone(UTC),
        qubits=tuple(dict(_figures(each)) for each in said.qubits),
        gates=tuple(_gate(each) for each in said.gates),
        raw=dict(raw or {}),
    )


def _figures(said: Iterable[Any]) -> Iterable[tuple[str, float | None]]:
    for each in said:
        value = float(each.value) if each.value is not None and math.isfinite(each.value) else None
        name, scale = _unit(each.name.lower(), each.unit)
        yield name, None if value is None else value * scale


def _unit(name: str, unit: str) -> tuple[str, float]:
    """Name a figure after its unit: coherence times in µs, other times in ns, frequencies in GHz."""
    if unit in _SECONDS:
        kept = ("us", 1e-6) if name in ("t1", "t2") else ("ns", 1e-9)
        return f"{name}_{kept[0]}", _SECONDS[unit] / kept[1]
    if unit in _HERTZ:
        return f"{name}_ghz", _HERTZ[unit] / 1e9
    return name, 1.0


def _gate(said: Any) -> GateProperties:
    figures = dict(_figures(said.parameters))
    dead = figures.get("operational", 1.0) == 0.0
    return GateProperties(
        gate=said.gate,
        qubits=tuple(said.qubits),
        error=DEAD if dead else figures.get("gate_error"),
        duration_ns=figures.get("gate_length_ns"),
    )


def _median(values: Iterable[float]) -> float:
    middle = median(values)
    return round(middle, _SIGNIFICANT - 1 - math.floor(math.log10(abs(middle)))) if middle else 0.0
