"""Backends as the API shows them, with figures that were measured on this installation."""

from typing import Literal

from ketbase.backends.types import BackendInfo
from ketbase.money import Money
from ketbase.types import Model, Moment

type Availability = Literal["available", "maintenance", "unavailable"]


class BackendView(BackendInfo):
    """A backend in a list.

    Attributes:
        queue_depth: jobs of all organisations that wait for it here, and all that wait for it at its provider.
        avg_latency_ms: of today's executions, in milliseconds; `None` if there was none.
        cost_per_circuit: what a Bell pair with 1,024 shots is expected to cost, compute and workflow included;
            `None` where no price is known. `POST /v1/estimate` prices a circuit of yours.
    """

    status: Availability
    queue_depth: int
    avg_latency_ms: float | None
    cost_per_circuit: Money | None


class QueueState(Model):
    """What waits for a backend, and how long today's jobs waited on average, in seconds."""

    depth: int
    avg_wait_time_sec: float | None


class Performance(Model):
    """What a backend did today (UTC)."""

    circuits_today: int
    avg_latency_ms: float | None


class MaintenanceWindow(Model):
    """When a backend is away."""

    start: Moment
    end: Moment


class BackendStatus(Model):
    """How a backend is doing.

    Attributes:
        raw_status: the provider's own word for it, for a backend that works elsewhere.
        as_of: when the provider said so.
        uptime: the share of today's jobs that it completed; `None` if none ended.
    """

    id: str
    status: Availability
    raw_status: str | None = None
    as_of: Moment | None = None
    uptime: float | None
    queue: QueueState
    performance: Performance
    maintenance_window: MaintenanceWindow | None = None
