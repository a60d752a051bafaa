"""A task that is a Batch job is done by what the local stack has for it, once."""

import json
import threading
import time
from types import SimpleNamespace

import pytest

from ketbase.adapters.clock import SystemClock
from ketbase.adapters.workflows.local import LocalWorkflows
from ketbase.local.runner import WorkflowRunner
from ketbase.local.task import TaskError
from ketbase.local.template import Template
from ketbase.ports.workflows import ExecutionStatus
from tests.unit.local.test_runner import FakeWorkers
from tests.unit.local.test_tokens import eventually

PARAMETERS = {
    "JobName.$": "$.name",
    "JobQueue": "queue",
    "JobDefinition": "simulate",
    "ContainerOverrides": {"Environment": [{"Name": "JOB", "Value.$": "$.name"}]},
}
CATCH = [{"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.error", "Next": "Caught"}]


def job(**more):
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Parameters": PARAMETERS,
        **({} if "Next" in more else {"End": True}),
        **more,
    }


def house(path, submit_job, others=None, **more):
    states = {"Job": job(**more), **(others or {"Caught": {"Type": "Succeed"}})}
    journal = LocalWorkflows(path, SystemClock())
    template = Template({}, {"w": json.dumps({"StartAt": "Job", "States": states})})
    runner = WorkflowRunner(journal, template, {}, FakeWorkers({}), SystemClock(), submit_job)
    threading.Thread(target=runner.run, daemon=True).start()
    journal.start("w", "e", {"name": "job_1"})
    return SimpleNamespace(journal=journal, runner=runner)


def ending(there):
    def over():
        status, detail = there.journal._read("SELECT status, detail FROM executions")[0]
        return (ExecutionStatus(status), detail) if status != ExecutionStatus.RUNNING else None

    found = eventually(over)
    there.runner.close()
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "workflows.db"


def test_a_job_gets_the_parameters_as_they_are_written_and_its_description_is_the_output(path):
    asked = []
    there = house(path, lambda parameters, _: asked.append(parameters) or {"Status": "SUCCEEDED", "JobId": "1"})
    assert ending(there) == (ExecutionStatus.SUCCEEDED, '{"Status": "SUCCEEDED", "JobId": "1"}')
    assert asked == [
        {
            "JobName": "job_1",
            "JobQueue": "queue",
            "JobDefinition": "simulate",
            "ContainerOverrides": {"Environment": [{"Name": "JOB", "Value": "job_1"}]},
        }
    ]


def test_a_job_that_fails_is_caught_as_step_functions_tells_it(path):
    def fails(parameters, stop):
        raise TaskError("ExitCode", "exit code 137")

    status, output = ending(house(path, fails, Catch=CATCH))
    assert status is ExecutionStatus.SUCCEEDED
    assert json.loads(output)["error"] == {"Error": "States.TaskFailed", "Cause": "exit code 137"}


@pytest.mark.parametrize("how", ["stop", "time"])
def test_a_job_is_told_to_stop(path, how):
    began, told = threading.Event(), threading.Event()

    def waits(parameters, stop):
        began.set()
        if stop.wait(20):
            told.set()
        raise TaskError("Stopped", "stopped")

    there = house(path, waits, **({"TimeoutSeconds": 1} if how == "time" else {}))
    assert began.wait(10)
    assert not told.is_set()
    if how == "stop":
        there.journal.stop("w", "e", "cancelled")
    assert told.wait(5)
    status, detail = ending(there)
    assert status is (ExecutionStatus.STOPPED if how == "stop" else ExecutionStatus.FAILED)
    assert ("States.Timeout" in detail) is (how == "time")


def test_a_restart_does_not_do_a_job_again_that_was_done(path):
    calls, waiting = [], {"Wait": {"Type": "Wait", "Seconds": 2, "End": True}}

    def does(parameters, stop):
        calls.append(1)
        return {"JobId": str(len(calls))}

    for _ in range(2):
        there = house(path, does, waiting, Next="Wait")
        eventually(lambda: calls or None)
        time.sleep(0.5)
        there.runner.close()
    assert ending(house(path, does, waiting, Next="Wait")) == (ExecutionStatus.SUCCEEDED, '{"JobId": "1"}')
    assert calls == [1]


def test_a_job_that_ended_with_its_process_is_done_again(path):
    began, killed = threading.Event(), threading.Event()

    def dies(parameters, stop):
        began.set()
        killed.wait(10)
        raise TaskError("WorkerDied", "killed with the server")

    first = house(path, dies)
    assert began.wait(10)
    first.runner.close()
    killed.set()
    time.sleep(0.3)
    assert first.journal.status("w", "e") is ExecutionStatus.RUNNING
    second = house(path, lambda parameters, _: {"JobId": "2"})
    assert ending(second) == (ExecutionStatus.SUCCEEDED, '{"JobId": "2"}')


def test_a_job_where_nothing_does_jobs_fails(path):
    assert ending(house(path, None))[0] is ExecutionStatus.FAILED
