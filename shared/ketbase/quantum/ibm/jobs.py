"""What IBM says of a job: where it stands, and how long the machine was held for it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ketbase.backends.remote import RemoteState, RemoteStatus
from ketbase.quantum.http import moment

_STATUSES = {
    "queued": RemoteStatus.QUEUED,
    "running": RemoteStatus.RUNNING,
    "completed": RemoteStatus.COMPLETED,
    "failed": RemoteStatus.FAILED,
    "cancelled": RemoteStatus.CANCELLED,
    "cancelled - ran too long": RemoteStatus.FAILED,
}
_RAN_TOO_LONG = 1305
"""The reason's code of a job that IBM itself stopped; its status says that it was cancelled."""


def state_of(job: Mapping[str, Any]) -> RemoteState:
    """Read where a job stands."""
    state = job.get("state") or {}
    word = str(state.get("status") or job.get("status") or "")
    status = _STATUSES.get(word.lower(), RemoteStatus.UNKNOWN)
    code = state.get("reason_code") or state.get("reasonCode")
    if code == _RAN_TOO_LONG and status is RemoteStatus.CANCELLED:
        status = RemoteStatus.FAILED
    said = [state.get("reason"), state.get("reason_solution")]
    words = " ".join(str(each) for each in said if each)
    message = f"{words} (code {code})" if words and code else words
    return RemoteState(status=status, raw=word, message=message or None)


def timing(job: Mapping[str, Any], metrics: Mapping[str, Any]) -> tuple[float, datetime, datetime]:
    """Read how many seconds a job is charged for, when it started, and when it ended.

    While IBM still counts, the seconds from start to end stand for those that it will charge.
    """
    moments = metrics.get("timestamps") or {}
    ended_at = moment(moments.get("finished")) or datetime.now(UTC)
    started_at = moment(moments.get("running")) or moment(job.get("created")) or ended_at
    usage = metrics.get("usage") or {}
    charged = [usage.get(name) for name in ("qpu_charge_time_seconds", "quantum_seconds", "seconds")]
    known = next((float(seconds) for seconds in charged if seconds is not None), None)
    if known is None or usage.get("status") == "pending":
        known = max(known or 0.0, (ended_at - started_at).total_seconds())
    return known, started_at, ended_at
