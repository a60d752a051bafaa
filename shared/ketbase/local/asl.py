"""Runs state machines in Amazon States Language with moto's interpreter, handing it our own functions.

The interpreter is made to be reached through moto's mock of Step Functions. Everything that depends on its
insides is in this module.
"""

import io
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.stepfunctions.parser.api import StateMachineType
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.evaluation_details import AWSExecutionDetails
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext
from moto.stepfunctions.parser.asl.eval.program_state import ProgramEnded, ProgramError, ProgramStopped
from moto.stepfunctions.parser.asl.eval.states import ContextObjectData, ExecutionData, StateMachineData
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.utils import TMP_THREADS

from ketbase.local.task import TaskError
from ketbase.ports.clock import Clock

type Invoke = Callable[[str, bytes], bytes]
"""Calls a function by its name with a JSON payload and returns its JSON answer, or raises `TaskError`."""

# The parser keeps the query language of nested scopes in a list on its class.
_parsing = threading.Lock()
_running: dict[str, "StateMachineExecution"] = {}
_LOOK_AT_CLOCK_EVERY_S = 0.1


class ExecutionFailedError(Exception):
    """The state machine came to a failed end."""


class ExecutionStoppedError(Exception):
    """The execution was stopped from outside."""


class StateMachineExecution:
    """One execution of a state machine."""

    def __init__(self, workflow: str, name: str, definition: str, payload: Any, invoke: Invoke, clock: Clock):
        """Prepare an execution.

        Args:
            workflow: the machine's name.
            name: the execution's name.
            definition: the machine, in Amazon States Language with JSONPath.
            payload: the input.
            invoke: called, from threads of the interpreter, for every task.
            clock: what Wait states go by.
        """
        self._name = name
        self.invoke = invoke
        self.clock = clock
        with _parsing:
            self._program = AmazonStateLanguageParser.parse(definition)[0]
        self._environment = Environment(
            # The region is the one thing that comes along to where a task asks for its Lambda client.
            aws_execution_details=AWSExecutionDetails(account="000000000000", region=name, role_arn=""),
            execution_type=StateMachineType.STANDARD,
            context=ContextObjectData(
                Execution=ExecutionData(
                    Id=name, Input=payload, Name=name, RoleArn="", StartTime=datetime.now(UTC).isoformat()
                ),
                StateMachine=StateMachineData(Id=workflow, Name=workflow),
            ),
            event_history_context=EventHistoryContext.of_program_start(),
            cloud_watch_logging_session=None,
            activity_store={},
        )

    def run(self) -> Any:
        """Run to the end and return the output.

        Raises:
            ExecutionFailedError: with the error and its cause.
            ExecutionStoppedError: `stop` was called.
        """
        _running[self._name] = self
        try:
            self._program.eval(self._environment)
        finally:
            del _running[self._name]
            # The interpreter remembers every thread that it ever started.
            TMP_THREADS[:] = [thread for thread in TMP_THREADS if thread.is_alive()]
        match self._environment.program_state():
            case ProgramEnded():
                return self._environment.states.get_input()
            case ProgramStopped(cause=cause):
                raise ExecutionStoppedError(cause)
            case ProgramError(error=error):
                raise ExecutionFailedError(f"{error.get('error')}: {error.get('cause')}")
            case other:
                raise ExecutionFailedError(type(other).__name__)

    def stop(self, reason: str) -> None:
        """End the execution after the task that is being done."""
        self._environment.set_stop(stop_date=datetime.now(UTC), cause=reason, error="Stopped")


class _LambdaClient:
    """What the interpreter takes for boto3's client of AWS Lambda."""

    def __init__(self, invoke: Invoke):
        self._invoke = invoke

    def invoke(self, FunctionName: str, Payload: bytes = b"{}", **_: Any) -> dict[str, Any]:  # noqa: N803
        try:
            answer = self._invoke(FunctionName, Payload)
        except TaskError as problem:
            error = {"errorType": problem.error_type, "errorMessage": str(problem)}
            return {
                "StatusCode": 200,
                "FunctionError": "Unhandled",
                "Payload": io.BytesIO(json.dumps(error).encode()),
            }
        return {"StatusCode": 200, "Payload": io.BytesIO(answer)}


def _client_for(region: str, service: str, **_: Any) -> _LambdaClient:
    if service != "lambda":
        raise NotImplementedError(f"a local state machine can call functions, not {service}")
    return _LambdaClient(_running[region].invoke)


def _wait(_self: object, env: Environment, wait_seconds: float) -> None:
    clock = _running[env.aws_execution_details.region].clock
    due = clock.now() + timedelta(seconds=wait_seconds)
    while env.is_running() and (left := (due - clock.now()).total_seconds()) > 0:
        env.program_state_event.wait(min(left, _LOOK_AT_CLOCK_EVERY_S))


lambda_eval_utils.boto_client_for = _client_for
WaitFunction._wait_interval = _wait
