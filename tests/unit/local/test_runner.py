"""Executions in the journal run to their end, whatever dies in between."""

import json
import threading
import time
from pathlib import Path

import pytest

from ketbase.adapters.clock import SystemClock
from ketbase.adapters.workflows.local import LocalWorkflows
from ketbase.local.runner import WorkflowRunner
from ketbase.local.task import TaskError
from ketbase.local.template import Function, Template
from ketbase.ports.workflows import ExecutionStatus
from tests.fakes import TurnedClock
from tests.unit.local.test_asl import task


class FakeWorkers:
    """Does heavy steps in this process."""

    def __init__(self, handlers):
        self.handlers = handlers

    def call(self, function, payload, stop):
        return json.dumps(self.handlers[function.name](json.loads(payload), stop)).encode()


def function(name, image):
    return Function(name, Path("-"), route=False, image=image, timeout_s=5, schedules=(), on_doorbell=False)


class Machine:
    """A machine of two steps, the first light and the second heavy, over one journal file."""

    def __init__(self, path, light, heavy):
        self.journal = LocalWorkflows(path, TurnedClock())
        states = {"Light": task("light", Next="Heavy"), "Heavy": task("heavy", End=True)}
        retry = [{"ErrorEquals": ["WorkerDied"], "IntervalSeconds": 1, "MaxAttempts": 2}]
        states["Heavy"]["Retry"] = retry
        template = Template(
            {"light": function("light", False), "heavy": function("heavy", True)},
            {"w": json.dumps({"StartAt": "Light", "States": states})},
        )
        workers = FakeWorkers({"heavy": heavy})
        self.runner = WorkflowRunner(self.journal, template, {"light": light}, workers, SystemClock())
        threading.Thread(target=self.runner.run, daemon=True).start()

    def wait(self, execution):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            status = self.journal.status("w", execution)
            if status is not ExecutionStatus.RUNNING:
                return status
            time.sleep(0.01)
        raise AssertionError("the execution does not end")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "workflows.db"


def echo(event, _context):
    return event


def test_an_execution_runs_its_steps_in_order(path):
    calls = []
    machine = Machine(path, lambda e, _: calls.append("light") or e, lambda e, _: calls.append("heavy") or e)
    machine.journal.start("w", "e", {"x": 1})
    assert machine.wait("e") is ExecutionStatus.SUCCEEDED
    assert calls == ["light", "heavy"]
    machine.runner.close()


def test_a_name_that_was_begun_before_is_not_begun_again(path):
    calls = []
    machine = Machine(path, lambda e, _: calls.append(1) or e, echo)
    for _ in range(3):
        machine.journal.start("w", "e", {})
        machine.wait("e")
    assert calls == [1]
    machine.runner.close()


def test_a_restart_takes_up_an_execution_where_it_was_cut_off(path):
    calls, reached = [], threading.Event()

    def hangs(event, _stop):
        reached.set()
        time.sleep(3_600)

    first = Machine(path, lambda e, _: calls.append("light") or e, hangs)
    first.journal.start("w", "e", {"x": 1})
    assert reached.wait(10)
    first.runner.close()
    second = Machine(path, lambda e, _: calls.append("light again") or e, lambda e, _: calls.append("heavy") or e)
    assert second.wait("e") is ExecutionStatus.SUCCEEDED
    assert calls == ["light", "heavy"]
    second.runner.close()


def test_an_execution_that_ended_long_ago_is_forgotten_and_a_running_one_is_not(path):
    clock = TurnedClock()
    journal = LocalWorkflows(path, clock)
    for name in ("ended", "running"):
        journal.start("w", name, {})
    journal.finish("w", "ended", ExecutionStatus.SUCCEEDED, "")
    journal.forget_ended(clock.now())
    assert journal.status("w", "ended") is ExecutionStatus.SUCCEEDED
    clock.turn(1)
    journal.forget_ended(clock.now())
    assert (journal.status("w", "ended"), journal.status("w", "running")) == (None, ExecutionStatus.RUNNING)


def test_a_step_whose_worker_died_is_repeated(path):
    calls = []

    def dies_once(event, _stop):
        calls.append(1)
        if len(calls) == 1:
            raise TaskError("WorkerDied", "killed")
        return event

    machine = Machine(path, echo, dies_once)
    machine.journal.start("w", "e", {})
    assert machine.wait("e") is ExecutionStatus.SUCCEEDED
    assert len(calls) == 2
    machine.runner.close()


def test_a_step_that_raises_fails_the_execution(path):
    def breaks(event, _context):
        raise KeyError("x")

    machine = Machine(path, breaks, echo)
    machine.journal.start("w", "e", {})
    assert machine.wait("e") is ExecutionStatus.FAILED
    machine.runner.close()


def test_stopping_an_execution_reaches_the_step_that_is_being_done(path):
    reached, told = threading.Event(), threading.Event()

    def listens(event, stop):
        reached.set()
        if stop.wait(10):
            told.set()
        return event

    machine = Machine(path, echo, listens)
    machine.journal.start("w", "e", {})
    assert reached.wait(10)
    machine.journal.stop("w", "e", "cancelled")
    assert told.wait(10)
    assert machine.journal.status("w", "e") is ExecutionStatus.STOPPED
    machine.runner.close()


def test_a_step_that_is_killed_with_the_server_does_not_fail_its_execution(path):
    reached, killed = threading.Event(), threading.Event()

    def dies(event, _stop):
        reached.set()
        killed.wait(10)
        raise TaskError("WorkerDied", "killed with the server")

    machine = Machine(path, echo, dies)
    machine.journal.start("w", "e", {})
    assert reached.wait(10)
    machine.runner.close()
    killed.set()
    time.sleep(0.5)
    assert machine.journal.status("w", "e") is ExecutionStatus.RUNNING


def test_a_step_that_finds_its_workers_gone_with_the_server_does_not_fail_its_execution(path):
    reached, closed = threading.Event(), threading.Event()

    def light(event, _context):
        reached.set()
        closed.wait(10)
        return event

    def gone(event, _stop):
        raise RuntimeError("unable to schedule on a stopped pool")

    machine = Machine(path, light, gone)
    machine.journal.start("w", "e", {})
    assert reached.wait(10)
    machine.runner.close()
    closed.set()
    time.sleep(0.5)
    assert machine.journal.status("w", "e") is ExecutionStatus.RUNNING


def test_a_journal_that_cannot_be_read_for_a_moment_stops_nothing_for_good(path, monkeypatch):
    machine = Machine(path, echo, echo)
    machine.journal.start("w", "earlier", {})
    machine.wait("earlier")
    read, failed = machine.journal.running, threading.Event()

    def fails_once():
        if not failed.is_set():
            failed.set()
            raise OSError("disk full")
        return read()

    monkeypatch.setattr(machine.journal, "running", fails_once)
    machine.journal.start("w", "e", {})
    assert failed.wait(10)
    assert machine.wait("e") is ExecutionStatus.SUCCEEDED
    machine.runner.close()


def test_an_execution_that_ends_while_the_journal_is_read_is_not_begun_again(path, monkeypatch):
    reached, ended, begun = threading.Event(), threading.Event(), []

    def light(event, _context):
        reached.set()
        ended.wait(10)
        return event

    machine = Machine(path, light, echo)
    read, begin = machine.journal.running, machine.runner._begin

    def slowly():
        found = read()
        if reached.is_set() and not ended.is_set():
            ended.set()
            machine.wait("e")
            while machine.runner._under_way:
                time.sleep(0.01)
        return found

    monkeypatch.setattr(machine.journal, "running", slowly)
    monkeypatch.setattr(machine.runner, "_begin", lambda execution: begun.append(execution) or begin(execution))
    machine.journal.start("w", "e", {})
    assert ended.wait(10)
    machine.journal.start("w", "later", {})
    assert machine.wait("later") is ExecutionStatus.SUCCEEDED
    assert [execution.name for execution in begun] == ["e", "later"]
    machine.runner.close()
