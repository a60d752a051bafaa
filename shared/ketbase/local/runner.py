"""Runs the executions in the journal, each in a thread; a restart takes up what a crash cut off."""

import hashlib
import itertools
import json
import threading
from collections.abc import Callable, Mapping

from ketbase.adapters.workflows.local import Execution, LocalWorkflows
from ketbase.local.asl import ExecutionFailedError, ExecutionStoppedError, StateMachineExecution
from ketbase.local.task import TaskError
from ketbase.local.template import Template
from ketbase.local.workers import Workers
from ketbase.ports.clock import Clock
from ketbase.ports.workflows import ExecutionStatus
from ketbase.runtime import observability
from ketbase.runtime.steps import Step

_LOOK_EVERY_S = 1.0


class WorkflowRunner:
    """The engine of local workflows."""

    def __init__(
        self,
        journal: LocalWorkflows,
        template: Template,
        steps: Mapping[str, Step],
        workers: Workers,
        clock: Clock,
    ):
        """Wire a runner.

        Args:
            journal: where executions are begun.
            template: the functions and the state machines.
            steps: handlers by function name, of the steps that are light enough for this process.
            workers: for the others.
            clock: what Wait states go by.
        """
        self._journal = journal
        self._template = template
        self._steps = steps
        self._workers = workers
        self._clock = clock
        self._under_way: dict[str, _UnderWay] = {}
        self._closing = threading.Event()

    def run(self) -> None:
        """Begin executions as they are journaled, and stop those that were stopped, until `close`."""
        seen = -1
        while not self._closing.is_set():
            seen = self._journal.wait_for_change(seen, _LOOK_EVERY_S)
            try:
                self._look()
            except Exception:  # noqa: BLE001 (a full disk, say: without this thread, all jobs would stand still)
                observability.log_exception("the journal could not be followed")

    def close(self) -> None:
        """Begin nothing more, and write nothing more: what is under way goes on at the next start."""
        self._closing.set()

    def _look(self) -> None:
        # Before the journal: what ends between the two looks must not seem to be there and not under way.
        known = set(self._under_way)
        running = {execution.name: execution for execution in self._journal.running()}
        for name, execution in running.items():
            if name not in known:
                self._begin(execution)
        for name, under_way in list(self._under_way.items()):
            if name not in running:
                under_way.stop()

    def _begin(self, execution: Execution) -> None:
        under_way = _UnderWay(
            execution, self._template.workflows[execution.workflow], self._journal, self._call, self._clock
        )
        self._under_way[execution.name] = under_way
        thread = threading.Thread(target=self._follow, args=(under_way,), name=execution.name, daemon=True)
        thread.start()

    def _follow(self, under_way: "_UnderWay") -> None:
        try:
            under_way.run()
        finally:
            self._under_way.pop(under_way.name, None)

    def _call(self, name: str, payload: bytes, stopped: threading.Event) -> bytes:
        try:
            return self._do(name, payload, stopped)
        except Exception:
            if self._closing.is_set():
                # The step was killed with us. Saying nothing leaves the execution running in the journal.
                threading.Event().wait()
            raise

    def _do(self, name: str, payload: bytes, stopped: threading.Event) -> bytes:
        if stopped.is_set():
            raise TaskError("Stopped", "the execution was stopped")
        function = self._template.functions[name]
        if function.image:
            return self._workers.call(function, payload, stopped)
        try:
            return json.dumps(self._steps[name](json.loads(payload), None)).encode()
        except Exception as problem:
            raise TaskError(type(problem).__name__, str(problem)) from problem


class _UnderWay:
    """One execution in this process; a task that answered before a crash answers from the journal."""

    def __init__(
        self,
        execution: Execution,
        definition: str,
        journal: LocalWorkflows,
        call: Callable[[str, bytes, threading.Event], bytes],
        clock: Clock,
    ):
        self.name = execution.name
        self._execution = execution
        self._journal = journal
        self._call = call
        self._names = _CallNames()
        self._stopped = threading.Event()
        self._machine = StateMachineExecution(
            execution.workflow, execution.name, definition, json.loads(execution.payload), self._invoke, clock
        )

    def run(self) -> None:
        """Run to the end, and write it to the journal."""
        try:
            status, detail = ExecutionStatus.SUCCEEDED, json.dumps(self._machine.run())
        except ExecutionStoppedError as problem:
            status, detail = ExecutionStatus.STOPPED, str(problem)
        except ExecutionFailedError as problem:
            status, detail = ExecutionStatus.FAILED, str(problem)
        except Exception as problem:  # noqa: BLE001 (the interpreter broke: the sweeper may try it again)
            observability.log_exception("execution broke off", execution=self.name)
            status, detail = ExecutionStatus.FAILED, repr(problem)
        self._journal.finish(self._execution.workflow, self.name, status, detail)

    def stop(self) -> None:
        """End it: no further step, no waiting, and the step that is being done is told."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._machine.stop("stopped in the journal")

    def _invoke(self, function: str, payload: bytes) -> bytes:
        call = self._names.take(function, payload)
        before = self._journal.answer(self.name, call)
        if before is not None:
            return before.encode()
        try:
            answer = self._call(function, payload, self._stopped)
        except TaskError:
            self._names.give_back(call)
            raise
        self._journal.keep_answer(self.name, call, answer.decode())
        return answer


class _CallNames:
    """Names the task calls of one execution so that a replay finds the same names.

    Branches of a Map or Parallel may call in any order; so a call is named by its function, its payload, and
    how many calls with both there were before it. A call that failed gives its name back to its retry.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._lock = threading.Lock()

    def take(self, function: str, payload: bytes) -> str:
        stem = f"{function}:{hashlib.sha256(payload).hexdigest()}"
        with self._lock:
            name = next(n for n in map(f"{stem}:{{}}".format, itertools.count()) if n not in self._taken)
            self._taken.add(name)
        return name

    def give_back(self, name: str) -> None:
        with self._lock:
            self._taken.discard(name)
