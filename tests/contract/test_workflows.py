"""What every engine of workflows does."""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from ketbase.adapters.clock import SystemClock
from ketbase.adapters.workflows.local import LocalWorkflows
from ketbase.adapters.workflows.stepfunctions import _STATUSES, StepFunctions
from ketbase.local.runner import WorkflowRunner
from ketbase.local.template import Template
from ketbase.local.workers import Workers
from ketbase.ports.workflows import ExecutionStatus, Workflows
from tests.servers import aws

MACHINES: dict[str, dict[str, Any]] = {
    "succeed": {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}},
    "fail": {"StartAt": "Broken", "States": {"Broken": {"Type": "Fail", "Error": "Test", "Cause": "a test"}}},
    "expire": {
        "StartAt": "Wait",
        "TimeoutSeconds": 1,
        "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}},
    },
    "wait": {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}},
    "choose": {
        "StartAt": "Choose",
        "States": {
            "Choose": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.job", "StringEquals": "job_ä", "Next": "Done"}],
                "Default": "Broken",
            },
            "Done": {"Type": "Succeed"},
            "Broken": {"Type": "Fail"},
        },
    },
}
"""An engine under test knows these state machines by these names."""

NAMES = itertools.count()


@pytest.fixture(params=["stepfunctions", "local"])
def workflows(request: pytest.FixtureRequest) -> Workflows:
    engine: Workflows = request.getfixturevalue(request.param)
    return engine


@pytest.fixture(scope="session")
def stepfunctions(moto: str) -> StepFunctions:
    return StepFunctions(aws("stepfunctions", moto), create_machines(moto))


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorkflows]:
    clock = SystemClock()
    journal = LocalWorkflows(tmp_path_factory.mktemp("workflows") / "journal.db", clock)
    template = Template({}, {name: json.dumps(machine) for name, machine in MACHINES.items()})
    runner = WorkflowRunner(journal, template, {}, cast(Workers, None), clock)
    threading.Thread(target=runner.run, daemon=True).start()
    yield journal
    runner.close()


def create_machines(url: str) -> str:
    """Make the state machines and return the pattern of their ARNs."""
    client = aws("stepfunctions", url)
    for name, machine in MACHINES.items():
        created = client.create_state_machine(
            name=f"contract-{name}",
            definition=json.dumps(machine),
            roleArn="arn:aws:iam::123456789012:role/contract",
        )
    stem: str = created["stateMachineArn"].rpartition("contract-")[0]
    return stem + "contract-{workflow}"


@pytest.fixture
def name() -> str:
    """The name of an execution that was never begun."""
    return f"job_01-{next(NAMES)}"


def end(workflows: Workflows, workflow: str, execution: str, seconds: float = 20) -> ExecutionStatus | None:
    """Wait until an execution is over, and say how it ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status = workflows.status(workflow, execution)
        if status is not ExecutionStatus.RUNNING:
            return status
        time.sleep(0.05)
    raise AssertionError(f"{workflow}/{execution} still runs after {seconds} s")


def test_an_execution_that_was_never_begun_has_no_status(workflows: Workflows, name: str) -> None:
    assert workflows.status("succeed", name) is None


@pytest.mark.parametrize(
    ("workflow", "ending"),
    [
        ("succeed", ExecutionStatus.SUCCEEDED),
        ("fail", ExecutionStatus.FAILED),
        ("expire", ExecutionStatus.FAILED),
    ],
)
def test_an_execution_ends_as_its_machine_says(
    workflows: Workflows, name: str, workflow: str, ending: ExecutionStatus
) -> None:
    workflows.start(workflow, name, {})
    assert end(workflows, workflow, name) is ending


def test_an_execution_runs_until_it_is_stopped(workflows: Workflows, name: str) -> None:
    workflows.start("wait", name, {})
    time.sleep(0.3)
    assert workflows.status("wait", name) is ExecutionStatus.RUNNING
    workflows.stop("wait", name, "a test " * 10_000)
    assert end(workflows, "wait", name) is ExecutionStatus.STOPPED


@pytest.mark.parametrize(("job", "ending"), [("job_ä", "succeeded"), ("job_b", "failed")])
def test_an_execution_sees_its_payload(workflows: Workflows, name: str, job: str, ending: str) -> None:
    workflows.start("choose", name, {"job": job, "attempt": 1, "flags": [True, None]})
    assert end(workflows, "choose", name) == ending


def test_a_second_start_of_a_running_execution_changes_nothing(workflows: Workflows, name: str) -> None:
    workflows.start("wait", name, {"a": 1})
    workflows.start("wait", name, {"a": 1})
    workflows.start("wait", name, {"a": 2})
    assert workflows.status("wait", name) is ExecutionStatus.RUNNING
    workflows.stop("wait", name, "a test")
    assert end(workflows, "wait", name) is ExecutionStatus.STOPPED


@pytest.mark.parametrize("payload", [{"job": "job_b"}, {"job": "job_ä"}], ids=["same", "other"])
def test_a_second_start_of_an_execution_that_is_over_changes_nothing(
    workflows: Workflows, name: str, payload: dict[str, Any]
) -> None:
    workflows.start("choose", name, {"job": "job_b"})
    assert end(workflows, "choose", name) is ExecutionStatus.FAILED
    workflows.start("choose", name, payload)
    time.sleep(0.2)
    assert workflows.status("choose", name) is ExecutionStatus.FAILED


@pytest.mark.parametrize("workflow", ["succeed", "fail"])
def test_stopping_what_is_over_changes_nothing(workflows: Workflows, name: str, workflow: str) -> None:
    workflows.start(workflow, name, {})
    ending = end(workflows, workflow, name)
    workflows.stop(workflow, name, "too late")
    assert workflows.status(workflow, name) is ending


def test_stopping_twice_or_what_was_never_begun_is_no_error(workflows: Workflows, name: str) -> None:
    workflows.stop("wait", name, "never begun")
    assert workflows.status("wait", name) is None
    workflows.start("wait", name, {})
    workflows.stop("wait", name, "once")
    workflows.stop("wait", name, "twice")
    assert end(workflows, "wait", name) is ExecutionStatus.STOPPED


def test_the_engine_says_that_it_answers(workflows: Workflows) -> None:
    workflows.check()


def test_stopping_what_is_over_changes_nothing_where_the_service_calls_it_invalid(
    ministack: str, name: str
) -> None:
    workflows = StepFunctions(aws("stepfunctions", ministack), create_machines(ministack))
    workflows.start("fail", name, {})
    assert end(workflows, "fail", name) is ExecutionStatus.FAILED
    workflows.stop("fail", name, "too late")
    assert workflows.status("fail", name) is ExecutionStatus.FAILED


def test_every_status_of_step_functions_has_a_meaning(moto: str) -> None:
    known = aws("stepfunctions", moto).meta.service_model.shape_for("ExecutionStatus").enum
    assert set(known) == set(_STATUSES)
