"""IBM's machines as backends of ours."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from qiskit_ibm_runtime import IBMBackend

from ketbase.backends.remote import Sighting
from ketbase.backends.types import BackendInfo, Capabilities
from ketbase.quantum.calibrations import medians
from ketbase.quantum.targets import native_gates, supported_gates

_MOST_SHOTS = 100_000
"""Where a machine does not say how many shots it takes."""


def sighting(listed: Mapping[str, Any], backend: IBMBackend) -> Sighting:
    """Describe a machine of a listing.

    Args:
        listed: as `GET /backends` lists it.
        backend: the same in full.
    """
    status = listed.get("status") or {}
    words = [str(status[part]) for part in ("name", "reason") if status.get(part)]
    return Sighting(
        info=_info(backend),
        available=status.get("name") == "online",
        raw_status=": ".join(words) or "no status",
        queue_depth=listed.get("queue_length"),
    )


def calibrated_at(backend: IBMBackend) -> datetime | None:
    """Return the moment of a machine's newest calibration, in UTC."""
    properties = backend.properties()
    if properties is None:
        return None
    moment: datetime = properties.last_update_date
    return moment.astimezone(UTC)


def is_machine(listed: Mapping[str, Any]) -> bool:
    """Whether what is listed is a quantum computer, and neither simulated nor a mock of one."""
    return not listed.get("is_simulator") and listed.get("class") != "mock"


def _info(backend: IBMBackend) -> BackendInfo:
    configuration, target = backend.configuration(), backend.target
    taken_at = calibrated_at(backend)
    return BackendInfo(
        id=backend.name,
        name=f"IBM {backend.name.removeprefix('ibm_').capitalize()}",
        type="hardware",
        provider="ibm",
        engine="ibm",
        remote_name=backend.name,
        description=(
            f"{target.num_qubits} qubits{_processor(configuration)}. Native gates: "
            f"{', '.join(native_gates(target))}; the others are translated."
        ),
        capabilities=Capabilities(
            max_qubits=target.num_qubits,
            max_shots=getattr(configuration, "max_shots", None) or _MOST_SHOTS,
            supported_gates=supported_gates(target),
            supports_noise=False,
            supports_control_flow="if_else" in target.operation_names,
            supports_mid_circuit_measurement=True,
        ),
        calibration=None if taken_at is None else medians(target, taken_at),
    )


def _processor(configuration: Any) -> str:
    kind = getattr(configuration, "processor_type", None) or {}
    if not isinstance(kind, Mapping) or not kind.get("family"):
        return ""
    revision = f" r{kind['revision']}" if kind.get("revision") else ""
    return f" on a {kind['family']}{revision} processor"
