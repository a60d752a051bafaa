"""A device's calibration, whichever of its forms Braket has it in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ketbase.backends.types import Calibration
from ketbase.quantum.braket.capabilities import Capabilities

type Pair = tuple[int, int]
"""Two qubits, the smaller number first."""

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_ONE_QUBIT = ("RANDOMIZED_BENCHMARKING", "SIMULTANEOUS_RANDOMIZED_BENCHMARKING")
_READOUT = ("READOUT",)


@dataclass(frozen=True, slots=True)
class QubitFigures:
    """What is known of a qubit: errors as probabilities, times in seconds."""

    readout_error: float | None = None
    gate_error: float | None = None
    t1_s: float | None = None
    t2_s: float | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """A calibration.

    Attributes:
        qubits: by their numbers; empty where only averages are known.
        couplers: for each pair, the error of each gate that was measured on it, by Braket's name in small letters.
        average: of all qubits, where the device has no figures for each.
        two_qubit_error: the same for gates on two qubits.
    """

    taken_at: datetime
    qubits: Mapping[int, QubitFigures] = field(default_factory=dict)
    couplers: Mapping[Pair, Mapping[str, float]] = field(default_factory=dict)
    average: QubitFigures = QubitFigures()
    two_qubit_error: float | None = None

    def of(self, qubit: int) -> QubitFigures:
        """Return what is known of a qubit, filled up with averages."""
        own, average = self.qubits.get(qubit, self.average), self.average
        return QubitFigures(
            _first(own.readout_error, average.readout_error),
            _first(own.gate_error, average.gate_error),
            _first(own.t1_s, average.t1_s),
            _first(own.t2_s, average.t2_s),
        )

    def medians(self) -> Calibration | None:
        """Summarise the calibration; `None` where a figure is not known at all."""
        each = [self.of(qubit) for qubit in self.qubits] or [self.average]
        pairs = [min(errors.values()) for errors in self.couplers.values() if errors]
        found = {
            "median_readout_error": _median(figures.readout_error for figures in each),
            "median_single_qubit_error": _median(figures.gate_error for figures in each),
            "median_two_qubit_error": _first(_median(pairs), self.two_qubit_error),
            "median_t1_us": _median(microseconds(figures.t1_s) for figures in each),
            "median_t2_us": _median(microseconds(figures.t2_s) for figures in each),
        }
        known = {name: value for name, value in found.items() if value is not None}
        return Calibration(taken_at=self.taken_at, **known) if len(known) == len(found) else None


def figures_of(capabilities: Capabilities) -> Figures | None:
    """Read a device's calibration; `None` where it has none.

    The forms are `standardized_gate_model_qpu_device_properties` 1 and 2 (for each qubit), 3 (averages, but for
    gates on one qubit) and `ionq_provider_properties` (averages), all of `amazon-braket-schemas`.
    """
    standardized, provider = capabilities.standardized, capabilities.provider or {}
    taken_at = _moment((standardized or {}).get("updatedAt")) or _utc(capabilities.service.updated_at)
    if taken_at is None:
        return None
    if standardized:
        return Figures(
            taken_at,
            qubits={
                int(number): _qubit(each) for number, each in (standardized.get("oneQubitProperties") or {}).items()
            },
            couplers={
                _pair(name): _gates(each) for name, each in (standardized.get("twoQubitProperties") or {}).items()
            },
            average=QubitFigures(
                _error(standardized.get("readoutFidelity")),
                _error(standardized.get("singleQubitFidelity")),
                _seconds(standardized.get("T1")),
                _seconds(standardized.get("T2")),
            ),
            two_qubit_error=_error(standardized.get("twoQubitGateFidelity")),
        )
    fidelity, timing = provider.get("fidelity"), provider.get("timing") or {}
    if not isinstance(fidelity, dict):
        return None
    return Figures(
        taken_at,
        average=QubitFigures(
            _mean_error(fidelity.get("spam")), _mean_error(fidelity.get("1Q")), timing.get("T1"), timing.get("T2")
        ),
        two_qubit_error=_mean_error(fidelity.get("2Q")),
    )


def _qubit(properties: Mapping[str, Any]) -> QubitFigures:
    fidelities = properties.get("oneQubitFidelity") or []
    named = {(each.get("fidelityType") or {}).get("name", _ONE_QUBIT[0]): each["fidelity"] for each in fidelities}
    return QubitFigures(
        _named_error(named, _READOUT),
        _named_error(named, _ONE_QUBIT),
        _seconds(properties.get("T1")),
        _seconds(properties.get("T2")),
    )


def _gates(properties: Mapping[str, Any]) -> dict[str, float]:
    errors: dict[str, float] = {}
    for each in properties.get("twoQubitGateFidelity") or []:
        name = str(each["gateName"]).lower()
        errors[name] = max(errors.get(name, 0.0), 1 - each["fidelity"])  # the worst of several ways to measure it
    return errors


def _pair(name: str) -> Pair:
    one, other = sorted(int(number) for number in name.split("-"))
    return one, other


def _named_error(named: Mapping[str, float], wanted: Iterable[str]) -> float | None:
    return next((1 - named[name] for name in wanted if name in named), None)


def _error(fidelities: list[Mapping[str, Any]] | None) -> float | None:
    return 1 - fidelities[0]["fidelity"] if fidelities else None


def _mean_error(fidelity: Mapping[str, float] | None) -> float | None:
    return None if fidelity is None or "mean" not in fidelity else 1 - fidelity["mean"]


def _seconds(time: Mapping[str, Any] | None) -> float | None:
    if time is None or time.get("value") is None:
        return None
    scale = _SECONDS.get(str(time.get("unit", "s")).lower())
    return None if scale is None else float(time["value"]) * scale


def microseconds(seconds: float | None) -> float | None:
    """Turn seconds into µs."""
    return None if seconds is None else seconds * 1e6


def _moment(text: Any) -> datetime | None:
    try:
        return _utc(TypeAdapter(datetime).validate_python(text))
    except ValidationError:
        return None


def _utc(moment: datetime | None) -> datetime | None:
    """Braket writes some moments without saying that they are UTC."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
