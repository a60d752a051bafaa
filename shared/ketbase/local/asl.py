"""Runs state machines in Amazon States Language with moto's interpreter, handing it our own functions.

The interpreter is made to be reached through moto's mock of Step Functions. Everything that depends on its
insides is in this module: `tests/unit/local/test_asl.py` fails where a new moto has changed them.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Self

from moto.stepfunctions.parser.api import HistoryEventType, StateMachineType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import EvalTimeoutError, TimeoutSeconds
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import iteration_worker
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branches_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_batch import (
    StateTaskServiceBatch,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_lambda import (
    StateTaskServiceLambda,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.evaluation_details import AWSExecutionDetails
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext
from moto.stepfunctions.parser.asl.eval.program_state import (
    ProgramEnded,
    ProgramError,
    ProgramStopped,
    ProgramTimedOut,
)
from moto.stepfunctions.parser.asl.eval.states import ContextObjectData, ExecutionData, StateMachineData, TaskData
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.utils import TMP_THREADS

from ketbase.adapters.workflows.local import ExecutionJournal, Outcome
from ketbase.local.alarms import Alarms
from ketbase.local.task import TaskError
from ketbase.ports.clock import Clock

type Invoke = Callable[[str, bytes], bytes]
"""Calls a function by its name with a JSON payload and returns its JSON answer, or raises `TaskError`."""

type SubmitJob = Callable[[dict[str, Any], threading.Event], dict[str, Any]]
"""Does a Batch job to its end, given the parameters of SubmitJob, and returns its description.

It raises `TaskError` where the job failed. The event tells it to stop: its time is over, or the execution was
stopped.
"""

RESOURCES = frozenset(
    {
        "arn:aws:states:::lambda:invoke",
        "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "arn:aws:states:::batch:submitJob.sync",
    }
)
"""What a Task of a local state machine may be."""

TIMEOUT = "States.Timeout"
_ABANDONED = "Ketbase.Abandoned"
"""The outcome of a call whose branch is over because another one failed, or whose execution was stopped."""

_LONGEST_S: int = TimeoutSeconds.DEFAULT_TIMEOUT_SECONDS
_MACHINES = 32
# The parser keeps the query language of nested scopes in a list on its class.
_parsing = threading.Lock()
_alarms = Alarms()


class ExecutionFailedError(Exception):
    """The state machine came to a failed end."""


class ExecutionStoppedError(Exception):
    """The execution was stopped from outside."""


class StateMachineExecution:
    """One execution of a state machine.

    With a journal it may be cut off at any moment: the next execution of the same name goes the same way, without
    doing again what is in the journal, and from there on.
    """

    def __init__(
        self,
        workflow: str,
        name: str,
        definition: str,
        payload: Any,
        invoke: Invoke,
        clock: Clock,
        journal: ExecutionJournal | None = None,
        submit_job: SubmitJob | None = None,
    ):
        """Prepare an execution.

        Args:
            workflow: the machine's name.
            name: the execution's name.
            definition: the machine, in Amazon States Language with JSONPath.
            payload: the input.
            invoke: called, from threads of the interpreter, for every task that is a function.
            clock: what Wait, Retry, the time limit of the machine and those of task tokens go by. That of a call
                counts the time that really passes.
            journal: where it is written how each call ended; without one, no task can wait for a token.
            submit_job: called for every task that is a Batch job.

        Raises:
            ValueError: the machine is not one that can be run here.
        """
        self.invoke: Final = invoke
        self.submit_job: Final = submit_job
        self.journal: Final = journal
        self._clock = clock
        self._left = False
        self._listening: dict[str, threading.Event] = {}
        self._program = _parsed(definition)
        self._environment = _Environment(
            aws_execution_details=_Details(self),
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
        self._environment.next_state_name = self._program.start_at.start_at_name

    def run(self) -> Any:
        """Run to the end and return the output.

        Raises:
            ExecutionFailedError: with the error and its cause.
            ExecutionStoppedError: `stop` was called.
        """
        environment, limit = self._environment, self._program.timeout_seconds
        until = self.moment(limit.timeout_seconds if limit else _LONGEST_S)
        try:
            with _alarms.when(lambda: self._clock.now() >= until, environment.set_timed_out):
                # What Program.eval does, in a thread more.
                EvalComponent.eval(self._program, environment)
        finally:
            # The interpreter remembers every thread that it ever started.
            TMP_THREADS[:] = [thread for thread in TMP_THREADS if thread.is_alive()]
        match environment.program_state():
            case ProgramEnded():
                return environment.states.get_input()
            case ProgramStopped(cause=cause):
                raise ExecutionStoppedError(cause)
            case ProgramError(error=error):
                raise ExecutionFailedError(f"{error.get('error')}: {error.get('cause')}")
            case ProgramTimedOut():
                raise ExecutionFailedError(f"{TIMEOUT}: the machine did not end within its time limit")
            case other:
                raise ExecutionFailedError(type(other).__name__)

    def stop(self, reason: str) -> None:
        """End all waiting, and the execution after the call that is being done."""
        self._environment.set_stop(stop_date=datetime.now(UTC), cause=reason, error="Stopped")

    def leave(self) -> None:
        """End all waiting, and write of nothing that it failed: the next execution of this name goes on."""
        self._left = True
        self.stop("left")

    def hear(self, tokens: set[str]) -> None:
        """Look at the answers to those of these task tokens that the execution waits for."""
        for token, answered in list(self._listening.items()):
            if token in tokens:
                answered.set()

    # --- For the states ---

    def moment(self, seconds: float) -> datetime:
        """The moment that comes after so many seconds."""
        return self._clock.now() + timedelta(seconds=seconds)

    def pause(self, environment: "_Environment", seconds: float) -> None:
        """Let time pass; in a replay, what is left of it."""
        until = self.moment(seconds)
        if self.journal is not None and seconds > 0:
            until = self.journal.begin(environment.next_pause(), until)
        self._wait(environment, threading.Event(), until)

    def once(self, place: str, call: Callable[[], Outcome]) -> Outcome:
        """Do a call and remember how it ended; in a replay, remember only."""
        outcome = self.journal.outcome(place) if self.journal is not None else None
        if outcome is not None:
            return outcome
        outcome = call()
        if self.journal is None or (self._left and outcome.error is not None):
            return outcome
        return self.journal.settle(place, outcome)

    def answer(
        self, environment: "_Environment", submit: Callable[[], Outcome], token: str, seconds: float
    ) -> Outcome:
        """Submit something once, and wait for the answer to its task token; in a replay, for the same one.

        As in Step Functions the answer may come before the submitting call has returned, and ends the waiting.
        """
        journal, place = _journal(self), environment.place
        until = journal.begin(place, self.moment(seconds), token)
        answered = self._listening[token] = threading.Event()
        try:
            known = journal.outcome(place)
            if known is None:
                trouble: list[Exception] = []
                threading.Thread(target=self._submit, args=(place, submit, answered, trouble), daemon=True).start()
                self._wait(environment, answered, until)
                for problem in trouble:
                    raise problem
            elif known.error == _ABANDONED:
                self._wait(environment, threading.Event(), until)
        finally:
            del self._listening[token]
        if self._left:
            return Outcome(error=_ABANDONED)
        if environment.is_running():
            ending = Outcome(error=TIMEOUT, cause=f"no answer within {seconds} s")
        else:
            ending = Outcome(error=_ABANDONED)
        outcome = journal.settle(place, ending)
        return ending if outcome.error == _ABANDONED else outcome

    def _submit(
        self, place: str, submit: Callable[[], Outcome], answered: threading.Event, trouble: list[Exception]
    ) -> None:
        # In a thread of its own, which ends: what a function opens in its thread would stay open for days.
        try:
            outcome = self.once(f"{place}!", submit)
            if outcome.error is None or self._left:
                return
            _journal(self).settle(place, outcome)
        except Exception as problem:  # noqa: BLE001 (it goes on in the thread of the state)
            trouble.append(problem)
        answered.set()

    def _wait(self, environment: "_Environment", answered: threading.Event, until: datetime) -> None:
        _alarms.wait(answered, lambda: not environment.is_running() or self._clock.now() >= until)


class _Details(AWSExecutionDetails):  # type: ignore[misc]
    """What comes along from an execution to all its states: here, the execution."""

    def __init__(self, execution: StateMachineExecution):
        super().__init__(account="000000000000", region="local", role_arn="")
        self.execution: Final = execution


class _Environment(Environment):  # type: ignore[misc]
    """An environment that knows its place in the execution, the same one in every replay.

    The place of a call is the path of the states around it, each with the number of the attempt and, where it has
    several, the branch or the item: `/Fan#1[2]/Submit#3` is the third attempt of Submit in the third branch of Fan.
    The interpreter opens a frame for each attempt and each branch; of its frames for the workers of a Map, which
    take the items in any order, the places do not count.
    """

    def __init__(self, *args: Any, **more: Any):
        super().__init__(*args, **more)
        self._outer: _Environment | None = None
        self._step = ""
        self._inner = False
        self._numbers: Counter[str] = Counter()

    @property
    def execution(self) -> StateMachineExecution:
        """Whose environment it is."""
        execution: StateMachineExecution = self.aws_execution_details.execution
        return execution

    @property
    def place(self) -> str:
        """Where in the execution this is."""
        if self._outer is None:
            return ""
        item = self.states.context_object.context_object_data.get("Map")
        if self._inner and item is not None and self._outer._outer is not None:
            return f"{self._outer._outer.place}[{item['Item']['Index']}]"
        return self._outer.place + self._step

    @property
    def attempt(self) -> str:
        """The place of the latest attempt of the state that is being done."""
        return f"{self.place}/{self._state}#{self._numbers[self._state]}"

    def next_pause(self) -> str:
        """Make a place for the next waiting in the state that is being done."""
        return f"{self.place}/{self._state}~{self._number(self._state + '~')}"

    @classmethod
    def as_frame_of(cls, env: Self, event_history_frame_cache: EventHistoryContext | None = None) -> Self:
        """Make a frame that is one of these, too."""
        frame: Self = cls.as_inner_frame_of(env, env.variable_store, event_history_frame_cache)
        return frame

    def open_frame(self, event_history_context: EventHistoryContext | None = None) -> Self:
        """Open the frame of an attempt."""
        frame: Self = super().open_frame(event_history_context)
        frame._outer, frame._step = self, f"/{self._state}#{self._number(self._state)}"
        return frame

    def open_inner_frame(self, event_history_context: EventHistoryContext | None = None) -> Self:
        """Open the frame of a branch or an item."""
        frame: Self = super().open_inner_frame(event_history_context)
        frame._outer, frame._step, frame._inner = self, f"[{self._number('') - 1}]", True
        return frame

    def _go_on_with(self, state: str) -> None:
        with self._state_mutex:
            # The interpreter raises where it is over, and a Parallel would wait for such a branch for ever.
            if self._program_state is None or self.is_running():
                Environment.next_state_name.fset(self, state)

    next_state_name = property(Environment.next_state_name.fget, _go_on_with)

    @property
    def _state(self) -> str:
        return str(self.states.context_object.context_object_data["State"]["Name"])

    def _number(self, name: str) -> int:
        with self._state_mutex:
            self._numbers[name] += 1
            return self._numbers[name]


class _FailedError(Exception):
    """A call ended with an error."""

    def __init__(self, error: str, cause: str):
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


class _CallState(StateTaskServiceCallback):  # type: ignore[misc]
    """A Task as we do it, in each of its attempts once."""

    def _evaluate_with_timeout(self, env: _Environment) -> None:
        try:
            super()._evaluate_with_timeout(env)
        except EvalTimeoutError:
            env.execution.once(env.attempt, lambda: Outcome(error=TIMEOUT))
            raise

    def _eval_integration_pattern(self, *_: Any, **__: Any) -> None:
        """Wait for nothing more: `_eval_service_task` has done it all."""

    def _from_error(self, env: _Environment, ex: Exception) -> FailureEvent:
        if not isinstance(ex, _FailedError):
            return super()._from_error(env, ex)
        details = TaskFailedEventDetails(
            error=ex.error,
            cause=ex.cause,
            resource=self._get_sfn_resource(),
            resourceType=self._get_sfn_resource_type(),
        )
        return FailureEvent(
            env=env,
            error_name=_error_name(ex.error),
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(taskFailedEventDetails=details),
        )


class _FunctionState(_CallState, StateTaskServiceLambda):  # type: ignore[misc]
    """`lambda:invoke`, and `lambda:invoke.waitForTaskToken`, whose output somebody else gives."""

    timeout: Any

    def from_state_props(self, state_props: Any) -> None:
        super().from_state_props(state_props)
        if self._is_integration_pattern():
            # The interpreter's own timer would count the time that really passes, and start again with the process.
            limit, self.timeout = self.timeout, TimeoutSeconds(_LONGEST_S)
            # Nobody sends heartbeats, so the first one that is due is the last chance.
            self._limits = [each for each in (limit, self.heartbeat) if each and not _is_default(each)]

    def _eval_execution(self, env: _Environment) -> None:
        if self._is_integration_pattern():
            token = _journal(env.execution).token(env.place)
            env.states.context_object.context_object_data["Task"] = TaskData(Token=token)
        super()._eval_execution(env)

    def _eval_service_task(
        self, env: _Environment, *_: Any, normalised_parameters: dict[str, Any], **__: Any
    ) -> None:
        function, payload = normalised_parameters["FunctionName"], normalised_parameters.get("Payload", b"{}")

        def call() -> Outcome:
            try:
                return Outcome(output=env.execution.invoke(function, payload).decode())
            except TaskError as problem:
                cause = {"errorType": problem.error_type, "errorMessage": str(problem)}
                return Outcome(error=problem.error_type, cause=json.dumps(cause, separators=(",", ":")))

        if self._is_integration_pattern():
            token = env.states.context_object.context_object_data["Task"]["Token"]
            outcome = env.execution.answer(env, call, token, self._seconds(env))
            env.stack.append(None if outcome.error == _ABANDONED else _output(outcome))
        else:
            answer = _output(env.execution.once(env.place, call))
            env.stack.append({"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": answer})

    def _seconds(self, env: _Environment) -> int:
        for limit in self._limits:
            limit.eval(env)
        return min((int(env.stack.pop()) for _ in self._limits), default=_LONGEST_S)


class _JobState(_CallState, StateTaskServiceBatch):  # type: ignore[misc]
    """`batch:submitJob.sync`."""

    @staticmethod
    def _attach_aws_environment_variables(parameters: dict[str, Any]) -> None:
        """Leave the parameters as they are."""

    def _eval_service_task(
        self, env: _Environment, *_: Any, normalised_parameters: dict[str, Any], **__: Any
    ) -> None:
        submit_job = env.execution.submit_job
        if submit_job is None:
            raise ValueError("nothing here does Batch jobs")

        def call() -> Outcome:
            stop = threading.Event()
            try:
                with _alarms.when(lambda: not env.is_running(), stop.set):
                    return Outcome(output=json.dumps(submit_job(normalised_parameters, stop)))
            except TaskError as problem:
                return Outcome(error="States.TaskFailed", cause=str(problem))

        env.stack.append(_output(env.execution.once(env.place, call)))


def _output(outcome: Outcome) -> Any:
    if outcome.error is not None:
        raise _FailedError(outcome.error, outcome.cause)
    return json.loads(outcome.output or "null")


def _is_default(limit: Any) -> bool:
    return isinstance(limit, TimeoutSeconds) and limit.is_default_value()


def _journal(execution: StateMachineExecution) -> ExecutionJournal:
    if execution.journal is None:
        raise ValueError("a task can wait for a token only in an execution that has a journal")
    return execution.journal


@lru_cache(_MACHINES)
def _parsed(definition: str) -> Any:
    """Parse a machine; what comes out has no state of its own."""
    for resource in _resources(json.loads(definition)):
        if resource not in RESOURCES:
            raise ValueError(f"a task of a local state machine is one of {sorted(RESOURCES)}, not {resource!r}")
    with _parsing:
        return AmazonStateLanguageParser.parse(definition)[0]


def _resources(node: Any) -> Iterator[Any]:
    """The resources of all tasks, those of inner machines too."""
    if isinstance(node, dict):
        if node.get("Type") == "Task":
            yield node.get("Resource")
        for value in node.values():
            yield from _resources(value)
    elif isinstance(node, list):
        for value in node:
            yield from _resources(value)


def _error_name(error_name: str | None) -> ErrorName:
    """The interpreter's own names where it has one: it lets no error of a branch be called `States.Timeout`."""
    if error_name is None or not error_name.startswith("States."):
        return CustomErrorName(error_name)
    try:
        return StatesErrorName.from_name(error_name)
    except ValueError:
        return ErrorName(error_name)


# --- What takes the place of the interpreter's own ---

_retrying = threading.local()
_interpreters_retry = ExecutionState._handle_retry


def _state_for(service_name: str) -> Any:
    return {"lambda": _FunctionState, "batch": _JobState}[service_name]()


def _wait_interval(_self: object, env: _Environment, wait_seconds: float) -> None:
    env.execution.pause(env, wait_seconds)


def _handle_retry(self: Any, env: _Environment, failure_event: FailureEvent) -> Any:
    _retrying.env = env
    return _interpreters_retry(self, env, failure_event)


class _RetryTime:
    """What Retry takes for the module `time`."""

    @staticmethod
    def sleep(seconds: float) -> None:
        _retrying.env.execution.pause(_retrying.env, seconds)


state_task_factory.state_task_service_for = _state_for
WaitFunction._wait_interval = _wait_interval
ExecutionState._handle_retry = _handle_retry
retrier_decl.time = _RetryTime
iteration_worker.CustomErrorName = branches_decl.CustomErrorName = _error_name
