"""What every engine of workflows does with a task that waits for a token."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.stub import Stubber

from ketbase.adapters.clock import SystemClock
from ketbase.adapters.workflows.local import LocalWorkflows
from ketbase.adapters.workflows.stepfunctions import StepFunctions
from ketbase.local.runner import WorkflowRunner
from ketbase.local.template import Function, Template
from ketbase.local.workers import Workers
from ketbase.ports.workflows import ExecutionStatus, Workflows
from tests.contract.test_workflows import end
from tests.servers import aws

NAMES = itertools.count()
DONE = {"Type": "Succeed"}
OTHER = {"Type": "Fail", "Error": "Test", "Cause": "another way than the test wants"}


def submit(**more: Any) -> dict[str, Any]:
    """Submit with a token, and wait up to 14 days."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {
            "FunctionName": "submit",
            "Payload": {"token.$": "$$.Task.Token", "job.$": "$.job"},
        },
        "TimeoutSeconds": 1_209_600,
        **more,
    }


def catch(error: str) -> list[dict[str, Any]]:
    return [{"ErrorEquals": [error], "ResultPath": "$.error", "Next": "Check"}]


def machine(task: dict[str, Any], **wanted: str) -> dict[str, Any]:
    """Do the task, and succeed if the state then has the wanted values at these paths."""
    conditions = [
        {"Variable": f"$.{path.replace('_', '.')}", "StringEquals": value} for path, value in wanted.items()
    ]
    check = {"Type": "Choice", "Choices": [{"And": conditions, "Next": "Done"}], "Default": "Other"}
    return {"StartAt": "Submit", "States": {"Submit": task, "Check": check, "Done": DONE, "Other": OTHER}}


MACHINES = {
    "output": machine(submit(Next="Check"), answer="ä", job_id="job_1"),
    "beside": machine(submit(ResultPath="$.result", Next="Check"), result_answer="ä", job="job_1"),
    "caught": machine(
        submit(Catch=catch("Rejected"), Next="Done"), error_Error="Rejected", error_Cause="no “device”", job="job_1"
    ),
    "all": machine(submit(Catch=catch("States.ALL"), Next="Done"), error_Error="Rejected"),
    "slow": machine(submit(TimeoutSeconds=1, Catch=catch("States.Timeout"), Next="Done"), job="job_1"),
    "plain": machine(submit(TimeoutSeconds=1, Next="Check"), job="job_1"),
}


@dataclass(frozen=True)
class Engine:
    """An engine that knows the machines above, and where to read the tokens that their function was given."""

    workflows: Workflows
    told: Callable[[], dict[str, str]]

    def begin(self, machine: str) -> tuple[str, str]:
        """Begin an execution, and wait until its function has its token."""
        name = f"job_{next(NAMES)}"
        before = set(self.told().values())
        self.workflows.start(machine, name, {"job": "job_1"})
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            new = set(self.told().values()) - before
            if new:
                time.sleep(0.2)
                return name, new.pop()
            time.sleep(0.05)
        raise AssertionError("nothing was submitted")

    def end(self, machine: str, name: str) -> ExecutionStatus | None:
        return end(self.workflows, machine, name)


FUNCTION = """
import pathlib, uuid

def handler(event, context):
    pathlib.Path({folder!r}, uuid.uuid4().hex).write_text(event["token"])
    return {{"answer": "this is not what the task says"}}
"""


@pytest.fixture(params=["stepfunctions", "local"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(f"{request.param}_engine")
    return found


@pytest.fixture(scope="session")
def stepfunctions_engine(ministack: str, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Step Functions that call a function which writes its tokens down; moto's lose the cause of a failure."""
    folder, package = tmp_path_factory.mktemp("tokens"), io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.py", FUNCTION.format(folder=str(folder)))
    role = "arn:aws:iam::123456789012:role/contract"
    code = {"ZipFile": package.getvalue()}
    aws("lambda", ministack).create_function(
        FunctionName="submit", Runtime="python3.13", Role=role, Handler="app.handler", Code=code
    )
    client = aws("stepfunctions", ministack)
    for name, definition in MACHINES.items():
        created = client.create_state_machine(name=f"token-{name}", definition=json.dumps(definition), roleArn=role)
    stem: str = created["stateMachineArn"].rpartition("token-")[0]
    told = {}

    def read() -> dict[str, str]:
        told.update({path.name: path.read_text() for path in folder.iterdir() if path.stat().st_size})
        return told

    return Engine(StepFunctions(client, stem + "token-{workflow}"), read)


@pytest.fixture(scope="session")
def local_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    told: dict[str, str] = {}

    def submits(event: dict[str, Any], _context: object) -> dict[str, Any]:
        told[str(len(told))] = event["token"]
        return {"answer": "this is not what the task says"}

    clock = SystemClock()
    journal = LocalWorkflows(tmp_path_factory.mktemp("workflows") / "journal.db", clock)
    runner = WorkflowRunner(journal, Template(*deployed(MACHINES)), {"submit": submits}, cast(Workers, None), clock)
    threading.Thread(target=runner.run, daemon=True).start()
    yield Engine(journal, lambda: told)
    runner.close()


def deployed(machines: dict[str, Any]) -> tuple[dict[str, Function], dict[str, str]]:
    """The parts of a template with one function, `submit`."""
    function = Function("submit", Path("-"), route=False, image=False, timeout_s=5, schedules=(), on_doorbell=False)
    return {"submit": function}, {name: json.dumps(machine) for name, machine in machines.items()}


@pytest.mark.parametrize("workflow", ["output", "beside"])
def test_the_answer_is_the_output_of_the_task(engine: Engine, workflow: str) -> None:
    name, token = engine.begin(workflow)
    assert engine.workflows.succeed(token, {"answer": "ä", "job": {"id": "job_1"}})
    assert engine.end(workflow, name) is ExecutionStatus.SUCCEEDED


def test_another_answer_is_another_output(engine: Engine) -> None:
    name, token = engine.begin("output")
    assert engine.workflows.succeed(token, {"answer": "b", "job": {"id": "job_1"}})
    assert engine.end("output", name) is ExecutionStatus.FAILED


@pytest.mark.parametrize("workflow", ["caught", "all"])
def test_a_failure_is_caught_by_its_error_and_has_its_cause(engine: Engine, workflow: str) -> None:
    name, token = engine.begin(workflow)
    assert engine.workflows.fail(token, "Rejected", "no “device”")
    assert engine.end(workflow, name) is ExecutionStatus.SUCCEEDED


def test_a_failure_that_nobody_catches_fails_the_execution(engine: Engine) -> None:
    name, token = engine.begin("caught")
    assert engine.workflows.fail(token, "Other", "no “device”")
    assert engine.end("caught", name) is ExecutionStatus.FAILED


@pytest.mark.parametrize(("workflow", "ending"), [("slow", "succeeded"), ("plain", "failed")])
def test_no_answer_in_time_is_a_timeout(engine: Engine, workflow: str, ending: str) -> None:
    name, token = engine.begin(workflow)
    assert engine.end(workflow, name) == ending
    assert not engine.workflows.succeed(token, {})


def test_a_second_answer_is_not_taken(engine: Engine) -> None:
    name, token = engine.begin("output")
    assert engine.workflows.succeed(token, {"answer": "ä", "job": {"id": "job_1"}})
    assert engine.end("output", name) is ExecutionStatus.SUCCEEDED
    assert not engine.workflows.succeed(token, {})
    assert not engine.workflows.fail(token, "Late", "")
    assert engine.workflows.status("output", name) is ExecutionStatus.SUCCEEDED


@pytest.mark.parametrize("token", ["nobody-made-this", "AQB8"])
def test_a_token_that_nobody_made_is_not_taken(engine: Engine, token: str) -> None:
    assert not engine.workflows.succeed(token, {})
    assert not engine.workflows.fail(token, "Error", "")


def test_a_failure_may_be_told_at_length(engine: Engine) -> None:
    name, token = engine.begin("caught")
    assert engine.workflows.fail(token, "Error" * 100, "cause " * 10_000)
    assert engine.end("caught", name) is ExecutionStatus.FAILED


def test_a_stop_ends_the_waiting(engine: Engine) -> None:
    name, _ = engine.begin("output")
    assert engine.workflows.status("output", name) is ExecutionStatus.RUNNING
    engine.workflows.stop("output", name, "a test")
    assert engine.end("output", name) is ExecutionStatus.STOPPED


def test_the_token_of_a_stopped_execution_is_not_taken_here(local_engine: Engine) -> None:
    name, token = local_engine.begin("output")
    local_engine.workflows.stop("output", name, "a test")
    assert not local_engine.workflows.succeed(token, {})


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_what_step_functions_says_of_a_token_that_is_over_is_no_error(code: str) -> None:
    client = aws("stepfunctions", "http://127.0.0.1:1")
    workflows = StepFunctions(client, "arn:aws:states:us-east-1:123456789012:stateMachine:{workflow}")
    with Stubber(client) as stub:
        stub.add_client_error("send_task_success", code)
        stub.add_client_error("send_task_failure", code)
        assert not workflows.succeed("token", {})
        assert not workflows.fail("token", "Error", "")


def test_what_step_functions_says_of_itself_is_an_error() -> None:
    client = aws("stepfunctions", "http://127.0.0.1:1")
    workflows = StepFunctions(client, "arn:aws:states:us-east-1:123456789012:stateMachine:{workflow}")
    with Stubber(client) as stub:
        stub.add_client_error("send_task_success", "InvalidOutput")
        with pytest.raises(client.exceptions.InvalidOutput):
            workflows.succeed("token", {})


@pytest.mark.parametrize("answered", ["meanwhile", "afterwards"])
def test_an_execution_whose_process_was_killed_gets_its_answer_in_the_next(tmp_path: Path, answered: str) -> None:
    journal, tokens = LocalWorkflows(tmp_path / "journal.db", SystemClock()), tmp_path / "tokens"
    tokens.touch()
    journal.start("wait", "job_1", {"job": "job_1"})

    def wait_for(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def submitted() -> bool:
        """The submitting call has answered, and that is in the journal."""
        return bool(tokens.read_text()) and journal.of("job_1").outcome("/Submit#1!") is not None

    command = [sys.executable, "-m", "tests.contract.waiting_worker", str(tmp_path / "journal.db"), str(tokens)]
    first = subprocess.Popen(command)
    wait_for(submitted)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    (token,) = tokens.read_text().split()
    if answered == "meanwhile":
        assert journal.succeed(token, {"answer": "ä"})
    assert journal.status("wait", "job_1") is ExecutionStatus.RUNNING
    second = subprocess.Popen(command)
    try:
        if answered == "afterwards":
            time.sleep(3)
            assert journal.succeed(token, {"answer": "ä"})
        wait_for(lambda: journal.status("wait", "job_1") is not ExecutionStatus.RUNNING)
    finally:
        second.kill()
        second.wait()
    assert journal.status("wait", "job_1") is ExecutionStatus.SUCCEEDED
    assert tokens.read_text().split() == [token]
