"""What a provider that works elsewhere says of a job that was handed in there, and of its own machines."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from ketbase.backends.types import BackendInfo, Outcome
from ketbase.money import Money
from ketbase.types import Model, Moment


class RemoteStatus(StrEnum):
    """Where a job stands at its provider; whatever the provider says that is none of these is `unknown`."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Whether the provider is done with it."""
        return self in (RemoteStatus.COMPLETED, RemoteStatus.FAILED, RemoteStatus.CANCELLED)


class RemoteState(Model):
    """A job as its provider sees it.

    Attributes:
        raw: the provider's own word for the status.
        queue_position: how many are served first, where the provider says.
        message: why it failed, in the provider's words.
        completed: what part of a job that failed was completed all the same, from 0 to 1.
    """

    status: RemoteStatus
    raw: str
    queue_position: int | None = None
    message: str | None = None
    completed: float = 0.0


class RemoteOutcome(Model):
    """What came back from a provider.

    Attributes:
        outcome: in our own bit order.
        raw: what the provider answered, kept because its history vanishes.
        billed: what the provider says it asks for, where it does.
    """

    outcome: Outcome
    raw: dict[str, Any]
    billed: Money | None = None


class Sighting(Model):
    """A backend as its provider describes it at some moment.

    Attributes:
        available: whether it takes jobs now.
        raw_status: the provider's own word.
        queue_depth: jobs that wait for it there.
        avg_wait_s: how long a job waits there now, in seconds, where the provider says.
    """

    info: BackendInfo
    available: bool
    raw_status: str
    queue_depth: int | None = None
    avg_wait_s: float | None = None


class Properties(Model):
    """All that a provider says of a backend's errors at one moment; it forgets, so we keep it.

    Attributes:
        taken_at: when the calibration was made, as the provider says; it tells two calibrations apart.
        qubits: for each qubit, its figures by name: errors as probabilities, `t1_us`, `t2_us` in µs.
        gates: for each gate and the qubits it acts on, its error and, where known, its duration in ns.
    """

    backend: str
    taken_at: Moment
    qubits: tuple[dict[str, float | None], ...]
    gates: tuple["GateProperties", ...] = ()
    raw: dict[str, Any] = Field(default_factory=dict)


class GateProperties(Model):
    """One gate on some qubits."""

    gate: str
    qubits: tuple[int, ...]
    error: float | None = None
    duration_ns: float | None = None
