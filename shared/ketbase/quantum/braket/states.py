"""Where a job stands whose tasks stand somewhere."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ketbase.backends.remote import RemoteState, RemoteStatus

_STATUSES = {
    "CREATED": RemoteStatus.QUEUED,
    "QUEUED": RemoteStatus.QUEUED,
    "RUNNING": RemoteStatus.RUNNING,
    "CANCELLING": RemoteStatus.RUNNING,
    "COMPLETED": RemoteStatus.COMPLETED,
    "FAILED": RemoteStatus.FAILED,
    "CANCELLED": RemoteStatus.CANCELLED,
}


def state_of(task: Mapping[str, Any]) -> RemoteState:
    """Read what Braket says of a task; a word that it did not have when this was written is `unknown`."""
    position = str((task.get("queueInfo") or {}).get("position", ""))
    return RemoteState(
        status=_STATUSES.get(task["status"], RemoteStatus.UNKNOWN),
        raw=task["status"],
        queue_position=int(position) if position.isdigit() else None,  # beyond 2,000 it is `>2000`
        message=task.get("failureReason"),
    )


def combined(states: Sequence[RemoteState]) -> RemoteState:
    """Say where a job of several tasks stands.

    It is over when all of them are: until then tasks run, and are billed, whatever became of the others.
    """
    if len(states) == 1:
        return states[0]
    statuses = [state.status for state in states]
    if all(status.final for status in statuses):
        worst = (RemoteStatus.FAILED, RemoteStatus.CANCELLED, RemoteStatus.COMPLETED)
        status = next(each for each in worst if each in statuses)
    elif RemoteStatus.UNKNOWN in statuses:
        status = RemoteStatus.UNKNOWN
    elif set(statuses) == {RemoteStatus.QUEUED}:
        status = RemoteStatus.QUEUED
    else:
        status = RemoteStatus.RUNNING
    positions = [state.queue_position for state in states if state.queue_position is not None]
    return RemoteState(
        status=status,
        raw=", ".join(f"{word} {times}" for word, times in Counter(state.raw for state in states).items()),
        queue_position=max(positions, default=None),
        completed=statuses.count(RemoteStatus.COMPLETED) / len(statuses) if status is RemoteStatus.FAILED else 0.0,
        message="; ".join(dict.fromkeys(state.message for state in states if state.message)) or None,
    )
