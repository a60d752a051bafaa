"""The state machines do what the pipeline needs, in the interpreter that the local stack uses."""

import json
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ketbase.adapters.clock import SystemClock
from ketbase.adapters.workflows.local import LocalWorkflows
from ketbase.local.asl import StateMachineExecution, SubmitJob
from ketbase.local.runner import WorkflowRunner
from ketbase.local.task import TaskError
from ketbase.local.template import Template, read_template
from ketbase.ports.workflows import ExecutionStatus
from tests.fakes import TurnedClock
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
        route = {"lane": self.lane, "queue": "q", "definition": "d"}
        lane = route if name == "RunCompileFunction" else {}
        return json.dumps({key: event[key] for key in REFERENCE} | lane).encode()

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


def execute(functions: Functions, request: pytest.FixtureRequest) -> Any:
    definition = read_template(ROOT).workflows["run"]
    return StateMachineExecution("run", request.node.name, definition, REFERENCE, functions, SystemClock()).run()


def test_a_run_compiles_executes_and_collects(request: pytest.FixtureRequest) -> None:
    functions = Functions()
    assert execute(functions, request) == REFERENCE | {
        "route": {"lane": "function", "queue": "q", "definition": "d"}
    }
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


# --- A run in the second lane ---


def execute_on_batch(request: pytest.FixtureRequest, submit_job: SubmitJob, lane: str = "batch") -> Functions:
    functions = Functions(lane)
    definition = read_template(ROOT).workflows["run"]
    clock = SystemClock()
    name = request.node.name
    machine = StateMachineExecution("run", name, definition, REFERENCE, functions, clock, submit_job=submit_job)
    machine.run()
    return functions


@pytest.mark.parametrize("lane", ["batch", "gpu"])
def test_a_run_in_the_second_lane_is_executed_by_a_job_of_its_queue(
    lane: str, request: pytest.FixtureRequest
) -> None:
    asked: list[dict[str, Any]] = []
    functions = execute_on_batch(request, lambda parameters, _: asked.append(parameters) or {"JobId": "1"}, lane)
    assert functions.names == ["RunCompileFunction", "RunCollectFunction"]
    (parameters,) = asked
    *command, payload = parameters.pop("ContainerOverrides")["Command"]
    assert parameters == {"JobName": "job_1", "JobQueue": "q", "JobDefinition": "d"}
    assert command == ["python", "-m", "ketbase.runtime.batch", "functions.run.execute.app.handler"]
    assert json.loads(payload) == REFERENCE


def test_a_job_of_the_second_lane_that_fails_is_not_begun_again_and_reaches_fail(
    request: pytest.FixtureRequest,
) -> None:
    begun: list[str] = []

    def fails(parameters: dict[str, Any], _: threading.Event) -> dict[str, Any]:
        begun.append(parameters["JobName"])
        raise TaskError("States.TaskFailed", '{"JobId": "1", "StatusReason": "no"}')

    functions = execute_on_batch(request, fails)
    assert begun == ["job_1"]
    name, event = functions.calls[-1]
    assert name == "RunFailFunction"
    assert event["error"] == {"Error": "States.TaskFailed", "Cause": '{"JobId": "1", "StatusReason": "no"}'}


# --- A run at a provider ---


class Remotely(Functions):
    """The same, for a lane that waits for its provider; `answer` is given for the token as soon as it is there."""

    def __init__(self, journal: LocalWorkflows, **failures: list[str]):
        super().__init__("remote", **failures)
        self.journal = journal

    def __call__(self, name: str, payload: bytes) -> bytes:
        try:
            answer = super().__call__(name, payload)
        except TaskError as problem:
            raise type(problem.error_type, (Exception,), {})("no") from problem
        if name == "RunSubmitFunction":
            assert self.journal.succeed(json.loads(payload)["token"], REFERENCE)
        return answer


def execute_remotely(tmp_path: Path, **failures: list[str]) -> Remotely:
    clock = TurnedClock()
    journal = LocalWorkflows(tmp_path / "workflows.db", clock)
    functions = Remotely(journal, **failures)
    steps = {
        name: lambda event, _context, name=name: json.loads(functions(name, json.dumps(event).encode()))
        for name in read_template(ROOT).functions
        if name.startswith("Run")
    }
    local = {name: replace(each, image=False) for name, each in read_template(ROOT).functions.items()}
    runner = WorkflowRunner(journal, Template(local, read_template(ROOT).workflows), steps, None, clock)
    threading.Thread(target=runner.run, daemon=True).start()
    journal.start("run", "e", REFERENCE)
    for _ in range(500):
        if journal.status("run", "e") is not ExecutionStatus.RUNNING:
            break
        clock.turn(300)  # whoever waits to try again has waited
        time.sleep(0.01)
    runner.close()
    assert journal.status("run", "e") is ExecutionStatus.SUCCEEDED
    return functions


def test_a_run_at_a_provider_is_submitted_fetched_and_collected(tmp_path: Path) -> None:
    functions = execute_remotely(tmp_path)
    assert functions.names == [
        "RunCompileFunction",
        "RunSubmitFunction",
        "RunFetchFunction",
        "RunCollectFunction",
    ]
    assert set(functions.calls[1][1]) == {*REFERENCE, "token"}


@pytest.mark.parametrize("name", ["RunCompileFunction", "RunSubmitFunction", "RunFetchFunction"])
def test_a_provider_that_does_not_answer_is_asked_again_and_again(name: str, tmp_path: Path) -> None:
    functions = execute_remotely(tmp_path, **{name: ["UnavailableError"] * 12})
    assert Counter(functions.names)[name] == 13
    assert functions.names[-1] == "RunCollectFunction"


@pytest.mark.parametrize("name", ["RunSubmitFunction", "RunFetchFunction"])
def test_a_step_that_had_no_time_for_all_at_its_provider_goes_on_with_the_rest(name: str, tmp_path: Path) -> None:
    functions = execute_remotely(tmp_path, **{name: ["Sandbox.Timedout"] * 3})
    assert Counter(functions.names)[name] == 4
    assert functions.names[-1] == "RunCollectFunction"


@pytest.mark.parametrize("workflow", ["run", "optimize"])
def test_a_provider_that_does_not_answer_is_asked_for_a_day(workflow: str) -> None:
    path = Path(ROOT, "infra/statemachines", f"{workflow}.asl.json")
    retries = [
        retry
        for state in json.loads(path.read_text())["States"].values()
        for retry in state.get("Retry", ())
        if "UnavailableError" in retry["ErrorEquals"]
    ]
    assert retries
    for retry in retries:
        waits = [min(retry["IntervalSeconds"] * 2**number, 300) for number in range(retry["MaxAttempts"])]
        mean = sum(waits) / (2 if retry["JitterStrategy"] == "FULL" else 1)
        assert 0.95 <= mean / 86_400 <= 1.2


def test_a_job_may_wait_a_week_for_its_container_and_have_all_of_its_attempts() -> None:
    run = json.loads(Path(ROOT, "infra/statemachines/run.asl.json").read_text())
    job = next(each for each in template()["Resources"].values() if each["Type"] == "AWS::Batch::JobDefinition")
    attempts_s = (
        job["Properties"]["RetryStrategy"]["Attempts"] * template()["Parameters"]["BatchSeconds"]["MaxValue"]
    )
    assert 7 * 86_400 + attempts_s < run["States"]["ExecuteOnBatch"]["TimeoutSeconds"] < run["TimeoutSeconds"]


def test_what_a_provider_refuses_is_withdrawn_and_fails_with_its_own_error(tmp_path: Path) -> None:
    functions = execute_remotely(tmp_path, RunSubmitFunction=["StepFailedError"], RunWithdrawFunction=["X"] * 9)
    assert functions.names[-1] == "RunFailFunction"
    assert "RunWithdrawFunction" in functions.names
    assert functions.calls[-1][1]["error"]["Error"] == "StepFailedError"


# --- A training ---


class Training:
    """Stands for the functions of a training: three trials, each of which leaves something to the next stretch."""

    def __init__(self, **failures: list[str]):
        self.failures = failures
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.left = Counter({0: 2, 1: 0, 2: 1})
        self.lock = threading.Lock()

    def __call__(self, name: str, payload: bytes) -> bytes:
        event = json.loads(payload)
        with self.lock:
            self.calls.append((name, event))
            if self.failures.get(name):
                raise TaskError(self.failures[name].pop(0), "no")
            reference = {key: event[key] for key in REFERENCE}
            if name == "TrainingPrepareFunction":
                return json.dumps(reference | {"trials": [0, 1, 2]}).encode()
            if name == "TrainingTrainFunction":
                self.left[event["trial"]] -= 1
                return json.dumps({"more": self.left[event["trial"]] >= 0}).encode()
            return json.dumps(reference).encode()

    @property
    def names(self) -> Counter[str]:
        return Counter(name.removeprefix("Training").removesuffix("Function") for name, _ in self.calls)


def train(functions: Training, request: pytest.FixtureRequest) -> Any:
    definition = read_template(ROOT).workflows["training"]
    return StateMachineExecution(
        "training", request.node.name, definition, REFERENCE, functions, SystemClock()
    ).run()


def test_each_trial_is_trained_until_nothing_is_left_and_then_the_model_is_made(
    request: pytest.FixtureRequest,
) -> None:
    functions = Training()
    output = train(functions, request)
    assert output == REFERENCE | {"trials": {"numbers": [0, 1, 2]}}
    trained = Counter(event["trial"] for name, event in functions.calls if name == "TrainingTrainFunction")
    assert trained == {0: 3, 1: 1, 2: 2}
    assert functions.calls[0] == ("TrainingPrepareFunction", REFERENCE)
    assert functions.calls[-1] == ("TrainingFinishFunction", REFERENCE)
    assert all(
        event == REFERENCE | {"trial": event["trial"]}
        for name, event in functions.calls
        if name == "TrainingTrainFunction"
    )


def test_a_stretch_whose_process_a_signal_ended_is_judged_and_goes_on(request: pytest.FixtureRequest) -> None:
    functions = Training(TrainingTrainFunction=["Runtime.ExitError"])
    train(functions, request)
    (judged,) = [event for _, event in functions.calls if "ended" in event]
    assert judged["ended"]["Error"] == "Runtime.ExitError"
    assert functions.names == {"Prepare": 1, "Train": 7, "Finish": 1}


@pytest.mark.parametrize("name", ["Prepare", "Train", "Finish"])
@pytest.mark.parametrize("problem", ["StepFailedError", "JobOverError", "Sandbox.Timedout"])
def test_what_a_step_of_a_training_refuses_goes_to_fail_at_once(
    name: str, problem: str, request: pytest.FixtureRequest
) -> None:
    functions = Training(**{f"Training{name}Function": [problem]})
    train(functions, request)
    last, event = functions.calls[-1]
    assert last == "TrainingFailFunction"
    assert event["error"]["Error"] == problem
    assert functions.names["Fail"] == 1
    assert name == "Finish" or not functions.names["Finish"]


def test_a_stretch_that_met_a_passing_problem_is_repeated(request: pytest.FixtureRequest) -> None:
    functions = Training(TrainingTrainFunction=["WorkerDied"])
    train(functions, request)
    assert functions.names == {"Prepare": 1, "Train": 7, "Finish": 1}


def test_as_many_trials_run_at_once_as_the_steps_share_the_money_among() -> None:
    from ketbase.training.books import CONCURRENCY

    machine = json.loads(Path(ROOT, "infra/statemachines/training.asl.json").read_text())
    assert machine["States"]["Trials"]["MaxConcurrency"] == CONCURRENCY
