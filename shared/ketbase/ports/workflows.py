"""The workflows port: runs a named state machine to its end, whatever restarts in between."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol


class ExecutionStatus(StrEnum):
    """Where an execution stands; everything but `RUNNING` is final."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


class Workflows(Protocol):
    """Durable executions of the state machines in `infra/statemachines/`.

    Attributes:
        stops_steps: whether `stop` ends the step that is under way too. A Lambda goes on to its end.
    """

    stops_steps: bool

    def start(self, workflow: str, execution: str, payload: Mapping[str, Any]) -> None:
        """Begin an execution. One of the same name that was ever begun makes this a no-op.

        Args:
            workflow: the state machine's name, such as `run`.
            execution: the execution's own name: at most 80 letters, digits, `-` and `_`.
            payload: JSON-like; references only, well under 256 KB.
        """

    def status(self, workflow: str, execution: str) -> ExecutionStatus | None:
        """Say where an execution stands; `None` if it was never begun."""

    def stop(self, workflow: str, execution: str, reason: str) -> None:
        """End a running execution; one that is over or unknown is no error."""

    def succeed(self, token: str, output: Mapping[str, Any]) -> bool:
        """Answer a task token: the task that waits with it has this output.

        The first answer stands. A token that is unknown, that was answered before, or whose task or execution
        is over, is no error.

        Args:
            token: as the task's function got it from `$$.Task.Token`.
            output: JSON-like; references only, well under 256 KB.

        Returns:
            Whether the answer was taken.
        """

    def fail(self, token: str, error: str, cause: str) -> bool:
        """Answer a task token: the task that waits with it has failed.

        Args:
            token: as for `succeed`.
            error: a name that Retry and Catch match, not one of those that begin with `States.`.
            cause: for people.

        Returns:
            Whether the answer was taken, as for `succeed`.
        """

    def check(self) -> None:
        """Do the least that proves the engine answers; raises whatever lies beneath."""
