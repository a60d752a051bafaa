"""Runs the executions in the journal, each in a thread; a restart takes up what a crash cut off."""

import json
import threading
from collections.abc import Callable, Mapping

from ketbase.adapters.workflows.local import Execution, LocalWorkflows
from ketbase.local.asl import ExecutionFailedError, ExecutionStoppedError, StateMachineExecution, SubmitJob
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
        submit_job: SubmitJob | None = None,
    ):
        """Wire a runner.

        Args:
            journal: where executions are begun.
            template: the functions and the state machines.
            steps: handlers by function name, of the steps that are light enough for this process.
            workers: for the others.
            clock: what waiting goes by.
            submit_job: does what Batch does in the cloud.
        """
        self._submit_job = submit_job
        self._journal = journal
        self._template = template
        self._steps = steps
        self._workers = workers
        self._clock = clock
        self._under_way: dict[str, _UnderWay] = {}
        self._closing = threading.Event()

    def run(self) -> None:
        """Begin executions as they are journaled, let them see answers, and stop them, until `close`."""
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
        for under_way in list(self._under_way.values()):
            under_way.leave()

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
        answered = self._journal.answered()
        for under_way in list(self._under_way.values()):
            under_way.hear(answered)

    def _begin(self, execution: Execution) -> None:
        try:
            definition = self._template.workflows[execution.workflow]
            under_way = _UnderWay(execution, definition, self._journal, self._do, self._clock, self._submit_job)
        except Exception as problem:  # noqa: BLE001 (a machine that is gone or broken must not hold up the others)
            observability.log_exception("execution cannot be begun", execution=execution.name)
            self._journal.finish(execution.workflow, execution.name, ExecutionStatus.FAILED, repr(problem))
            return
        self._under_way[execution.name] = under_way
        thread = threading.Thread(target=self._follow, args=(under_way,), name=execution.name, daemon=True)
        thread.start()
        if self._closing.is_set():
            under_way.leave()

    def _follow(self, under_way: "_UnderWay") -> None:
        try:
            under_way.run()
        finally:
            self._under_way.pop(under_way.name, None)

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
    """One execution in this process."""

    def __init__(
        self,
        execution: Execution,
        definition: str,
        journal: LocalWorkflows,
        call: Callable[[str, bytes, threading.Event], bytes],
        clock: Clock,
        submit_job: SubmitJob | None,
    ):
        self.name = execution.name
        self._execution = execution
        self._journal = journal
        self._call = call
        self._stopped = threading.Event()
        self._left = False
        self._machine = StateMachineExecution(
            execution.workflow,
            execution.name,
            definition,
            json.loads(execution.payload),
            self._invoke,
            clock,
            journal.of(execution.name),
            submit_job,
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
        if self._left and status is not ExecutionStatus.SUCCEEDED:
            return  # It broke off because the process ends; in the journal it goes on running.
        self._journal.finish(self._execution.workflow, self.name, status, detail)

    def stop(self) -> None:
        """End it: no further step, no waiting, and the step that is being done is told."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._machine.stop("stopped in the journal")

    def leave(self) -> None:
        """End its waiting, and write nothing: it goes on at the next start."""
        self._left = True
        self._machine.leave()

    def hear(self, tokens: set[str]) -> None:
        """Let it see the answers to these task tokens."""
        self._machine.hear(tokens)

    def _invoke(self, function: str, payload: bytes) -> bytes:
        return self._call(function, payload, self._stopped)
