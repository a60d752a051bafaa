"""The workflows port over AWS Step Functions."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ketbase.ports.workflows import ExecutionStatus

_STATUSES = {
    "RUNNING": ExecutionStatus.RUNNING,
    "PENDING_REDRIVE": ExecutionStatus.RUNNING,
    "SUCCEEDED": ExecutionStatus.SUCCEEDED,
    "FAILED": ExecutionStatus.FAILED,
    "TIMED_OUT": ExecutionStatus.FAILED,
    "ABORTED": ExecutionStatus.STOPPED,
}

_LONGEST_ERROR = 256
_LONGEST_CAUSE = 32_768


class StepFunctions:
    """Executions of standard state machines; Step Functions keeps their names for 90 days after their end."""

    stops_steps = False

    def __init__(self, client: Any, arn_pattern: str):
        """Use a boto3 `stepfunctions` client.

        Args:
            client: the client.
            arn_pattern: the ARN of a state machine, with `{workflow}` for the workflow's name.
        """
        self._client = client
        self._arn_pattern = arn_pattern

    def start(self, workflow: str, execution: str, payload: Mapping[str, Any]) -> None:
        """Begin an execution. One of the same name that was ever begun makes this a no-op."""
        try:
            self._client.start_execution(
                stateMachineArn=self._arn_pattern.format(workflow=workflow),
                name=execution,
                input=json.dumps(payload),
            )
        except self._client.exceptions.ExecutionAlreadyExists:
            return

    def status(self, workflow: str, execution: str) -> ExecutionStatus | None:
        """Say where an execution stands; `None` if it was never begun."""
        try:
            answer = self._client.describe_execution(executionArn=self._execution_arn(workflow, execution))
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        return _STATUSES[answer["status"]]

    def stop(self, workflow: str, execution: str, reason: str) -> None:
        """End a running execution; one that is over or unknown is no error."""
        try:
            self._client.stop_execution(
                executionArn=self._execution_arn(workflow, execution), cause=reason[:_LONGEST_CAUSE]
            )
        except self._client.exceptions.ExecutionDoesNotExist:
            return
        except self._client.exceptions.ValidationException:
            if self.status(workflow, execution) is ExecutionStatus.RUNNING:
                raise

    def succeed(self, token: str, output: Mapping[str, Any]) -> bool:
        """Answer a task token with its task's output, and say whether the answer was taken."""
        return self._answer(self._client.send_task_success, taskToken=token, output=json.dumps(output))

    def fail(self, token: str, error: str, cause: str) -> bool:
        """Answer a task token with an error, cut to what the service takes; say whether it was taken."""
        error, cause = error[:_LONGEST_ERROR], cause[:_LONGEST_CAUSE]
        return self._answer(self._client.send_task_failure, taskToken=token, error=error, cause=cause)

    def check(self) -> None:
        """Ask for an execution that nobody begins."""
        self.status("check", "check")

    def _answer(self, send: Callable[..., Any], **answer: str) -> bool:
        gone = self._client.exceptions
        try:
            send(**answer)
        except (gone.TaskTimedOut, gone.TaskDoesNotExist, gone.InvalidToken):
            return False
        return True

    def _execution_arn(self, workflow: str, execution: str) -> str:
        machine = self._arn_pattern.format(workflow=workflow)
        return f"{machine.replace(':stateMachine:', ':execution:')}:{execution}"
