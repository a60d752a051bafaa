"""Runs the executions in the journal, each in a thread; a restart takes up what a crash cut off."""

import hashlib
import itertools
import json
import threading
from collections.abc import Mapping

from ketbase.adapters.workflows.local import Execution, LocalWorkflows
from ketbase.local.asl import ExecutionFailedError, ExecutionStoppedError, StateMachineExecution
from ketbase.local.task import TaskError
from ketbase.local.template import Template
from ketbase.local.workers import Workers
from ketbase.ports.workflows import ExecutionStatus
from ketbase.runtime import observability
from ketbase.runtime.steps import Step

_LOOK_EVERY_S = 1.0


class WorkflowRunner:
    """The engine of local workflows."""

    def __init__(self, journal: LocalWorkflows, template: Template, steps: Mapping[str, Step], workers: Workers):
        """Wire a runner.

        Args:
            journal: where executions are begun.
            template: the functions and the state machines.
            steps: handlers by function name, of the steps that are light enough for this process.
            workers: for the others.
        """
        self._journal = journal
        self._template = template
        self._steps = steps
        self._workers = workers
        self._under_way: dict[str, _UnderWay] = {}
        self._closing = threading.Event()

    def run(self) -> None:
        """Begin executions as they are journaled, and stop those that were stopped, until `close`."""
        seen = -1
        while not self._closing.is_set():
            seen = self._journal.wait_for_change(seen, _LOOK_EVERY_S)
            running = {execution.name: execution for execution in self._journal.running()}
            for name, execution in running.items():
                if name not in self._under_way:
                    self._begin(execution)
            for name, under_way in list(self._under_way.items()):
                if name not in running:
                    under_way.stop.set()

    def close(self) -> None:
        """Begin nothing more."""
        self._closing.set()

    def _begin(self, execution: Execution) -> None:
        under_way = _UnderWay()
        self._under_way[execution.name] = under_way
        thread = threading.Thread(
            target=self._execute, args=(execution, under_way), name=execution.name, daemon=True
        )
        thread.start()

    def _execute(self, execution: Execution, under_way: "_UnderWay") -> None:
        try:
            calls = _Calls()

            def invoke(name: str, payload: bytes) -> bytes:
                call = calls.identify(name, payload)
                before = self._journal.answer(execution.name, call)
                if before is not None:
                    return before.encode()
                try:
                    answer = self._call(name, payload, under_way.stop)
                except TaskError:
                    calls.release(call)
                    raise
                self._journal.keep_answer(execution.name, call, answer.decode())
                return answer

            machine = StateMachineExecution(
                execution.workflow,
                execution.name,
                self._template.workflows[execution.workflow],
                json.loads(execution.payload),
                invoke,
            )
            status, detail = _outcome(machine)
            self._journal.finish(execution.workflow, execution.name, status, detail)
        except Exception:  # noqa: BLE001 (the execution stays in the journal, and a restart tries it again)
            observability.log_exception("execution broke off", execution=execution.name)
        finally:
            self._under_way.pop(execution.name, None)

    def _call(self, name: str, payload: bytes, stop: threading.Event) -> bytes:
        if stop.is_set():
            raise TaskError("Stopped", "the execution was stopped")
        function = self._template.functions[name]
        if function.image:
            return self._workers.call(function, payload, stop)
        try:
            return json.dumps(self._steps[name](json.loads(payload), None)).encode()
        except Exception as problem:
            raise TaskError(type(problem).__name__, str(problem)) from problem


class _UnderWay:
    """An execution that runs in this process."""

    def __init__(self) -> None:
        self.stop = threading.Event()


class _Calls:
    """Names the task calls of one execution so that a replay finds the same names.

    Branches of a Map or Parallel may call in any order; so a call is named by its function, its payload, and
    how many calls with both there were before it. A call that failed gives its name back to its retry.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._lock = threading.Lock()

    def identify(self, name: str, payload: bytes) -> str:
        stem = f"{name}:{hashlib.sha256(payload).hexdigest()}"
        with self._lock:
            call = next(c for c in map(f"{stem}:{{}}".format, itertools.count()) if c not in self._taken)
            self._taken.add(call)
        return call

    def release(self, call: str) -> None:
        with self._lock:
            self._taken.discard(call)


def _outcome(machine: StateMachineExecution) -> tuple[ExecutionStatus, str]:
    try:
        return ExecutionStatus.SUCCEEDED, json.dumps(machine.run())
    except ExecutionStoppedError as problem:
        return ExecutionStatus.STOPPED, str(problem)
    except ExecutionFailedError as problem:
        return ExecutionStatus.FAILED, str(problem)
