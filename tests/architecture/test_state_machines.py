"""The state machines do what the pipeline needs, in the interpreter that the local stack uses."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ketbase.adapters.clock import SystemClock
from ketbase.local.asl import StateMachineExecution
from ketbase.local.task import TaskError
from ketbase.local.template import read_template
from tests.template import ROOT, template

REFERENCE = {"organization_id": "org_1", "job_id": "job_1"}


class Functions:
    """Stands for the functions: notes the calls, answers with the reference, fails as told."""

    def __init__(self, lane: str = "function", **failures: list[str]):
        self.lane = lane
        self.failures = failures
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, name: str, payload: bytes) -> bytes:
        event = json.loads(payload)
        self.calls.append((name, event))
        if self.failures.get(name):
            raise TaskError(self.failures[name].pop(0), "no")
        lane = {"lane": self.lane} if name == "RunCompileFunction" else {}
        return json.dumps({key: event[key] for key in REFERENCE} | lane).encode()

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


def execute(functions: Functions, request: pytest.FixtureRequest) -> Any:
    definition = read_template(ROOT).workflows["run"]
    return StateMachineExecution("run", request.node.name, definition, REFERENCE, functions, SystemClock()).run()


def test_a_run_compiles_executes_and_collects(request: pytest.FixtureRequest) -> None:
    functions = Functions()
    assert execute(functions, request) == REFERENCE | {"route": {"lane": "function"}}
    assert functions.names == ["RunCompileFunction", "RunExecuteFunction", "RunCollectFunction"]
    assert all(event == REFERENCE for _, event in functions.calls)


@pytest.mark.parametrize("name", ["RunCompileFunction", "RunExecuteFunction", "RunCollectFunction"])
@pytest.mark.parametrize("problem", ["StepFailedError", "JobOverError", "Sandbox.Timedout"])
def test_what_a_step_refuses_goes_to_fail_at_once(name: str, problem: str, request: pytest.FixtureRequest) -> None:
    functions = Functions(**{name: [problem]})
    execute(functions, request)
    last, event = functions.calls[-1]
    assert last == "RunFailFunction"
    assert functions.names.count(name) == 1
    assert event["error"]["Error"] == problem
    assert json.loads(event["error"]["Cause"])["errorMessage"] == "no"


@pytest.mark.parametrize("problem", ["WorkerDied", "ClientError", "ReadTimeoutError", "OperationalError"])
def test_a_step_that_met_a_passing_problem_is_repeated(problem: str, request: pytest.FixtureRequest) -> None:
    functions = Functions(RunExecuteFunction=[problem])
    execute(functions, request)
    assert Counter(functions.names)["RunExecuteFunction"] == 2
    assert functions.names[-1] == "RunCollectFunction"


def test_every_state_machine_file_is_deployed() -> None:
    files = {str(path.relative_to(ROOT)) for path in Path(ROOT, "infra/statemachines").iterdir()}
    deployed = {
        resource["Properties"]["DefinitionUri"]
        for resource in template()["Resources"].values()
        if resource["Type"] == "AWS::Serverless::StateMachine"
    }
    assert files == deployed
