"""The interpreter behaves as Step Functions does, in what our state machines use."""

import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from ketbase.adapters.clock import SystemClock
from ketbase.local.asl import ExecutionFailedError, ExecutionStoppedError, StateMachineExecution
from ketbase.local.task import TaskError
from tests.fakes import TurnedClock


def task(function, **more):
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload.$": "$"},
        "OutputPath": "$.Payload",
        **more,
    }


def run(states, payload, invoke, name="e"):
    definition = json.dumps({"StartAt": next(iter(states)), "States": states})
    return StateMachineExecution("w", name, definition, payload, invoke, SystemClock()).run()


def begun(execution):
    """Run it in a thread that need not end."""
    future = Future()

    def runs():
        try:
            future.set_result(execution.run())
        except Exception as problem:  # noqa: BLE001
            future.set_exception(problem)

    threading.Thread(target=runs, daemon=True).start()
    return future


def adds(function, payload):
    return json.dumps(json.loads(payload) | {function: True}).encode()


def test_each_task_gets_what_the_one_before_answered():
    states = {"A": task("a", Next="B"), "B": task("b", End=True)}
    assert run(states, {"x": 1}, adds) == {"x": 1, "a": True, "b": True}


def test_a_retried_error_is_tried_again_and_another_is_not():
    calls = []

    def fails(function, payload):
        calls.append(function)
        raise TaskError("Passing" if len(calls) < 3 else "Final", "no")

    retry = [{"ErrorEquals": ["Passing"], "IntervalSeconds": 1, "BackoffRate": 1.0, "MaxAttempts": 9}]
    with pytest.raises(ExecutionFailedError, match="Final"):
        run({"A": task("a", Retry=retry, End=True)}, {}, fails)
    assert calls == ["a"] * 3


def test_a_caught_error_reaches_the_next_state_as_lambda_tells_it():
    def fails(function, payload):
        if function == "a":
            raise TaskError("StepFailedError", 'says "no"')
        return payload

    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "F"}]
    output = run({"A": task("a", Catch=catch, End=True), "F": task("f", End=True)}, {"x": 1}, fails)
    assert output["x"] == 1
    assert output["error"]["Error"] == "StepFailedError"
    cause = json.loads(output["error"]["Cause"])
    assert cause == {"errorType": "StepFailedError", "errorMessage": 'says "no"'}


def test_executions_at_the_same_moment_do_not_mix():
    def one(number):
        return run({"A": task("a", Next="B"), "B": task("b", End=True)}, {"n": number}, adds, f"e{number}")

    with ThreadPoolExecutor(8) as pool:
        assert [output["n"] for output in pool.map(one, range(40))] == list(range(40))


def test_a_map_calls_its_function_for_every_item_with_the_executions_own_functions():
    items = {
        "Type": "Map",
        "ItemsPath": "$.xs",
        "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "D", "States": {"D": task("d", End=True)}},
        "End": True,
    }  # fmt: skip

    def doubles(function, payload):
        return json.dumps(json.loads(payload) * 2).encode()

    assert run({"M": items}, {"xs": [1, 2, 3]}, doubles) == [2, 4, 6]


def test_a_stopped_execution_ends_after_the_task_that_is_being_done():
    began, go_on, calls = threading.Event(), threading.Event(), []

    def waits(function, payload):
        calls.append(function)
        began.set()
        go_on.wait(10)
        return payload

    definition = json.dumps({"StartAt": "A", "States": {"A": task("a", Next="B"), "B": task("b", End=True)}})
    execution = StateMachineExecution("w", "stopped", definition, {}, waits, SystemClock())
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(execution.run)
        began.wait(10)
        execution.stop("enough")
        go_on.set()
        with pytest.raises(ExecutionStoppedError):
            running.result(10)
    assert calls == ["a"]


def test_a_wait_goes_by_the_clock_that_it_is_given():
    clock = TurnedClock()
    definition = json.dumps({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 86_400, "End": True}}})
    running = begun(StateMachineExecution("w", "waiting", definition, {"x": 1}, adds, clock))
    with pytest.raises(TimeoutError):
        running.result(0.3)
    clock.turn(86_400)
    assert running.result(10) == {"x": 1}


def test_a_retry_goes_by_the_clock_that_it_is_given():
    clock, calls = TurnedClock(), []

    def fails(function, payload):
        calls.append(function)
        raise TaskError("Passing", "no")

    retry = [{"ErrorEquals": ["Passing"], "IntervalSeconds": 86_400, "MaxAttempts": 1}]
    definition = json.dumps({"StartAt": "A", "States": {"A": task("a", Retry=retry, End=True)}})
    running = begun(StateMachineExecution("w", "retrying", definition, {}, fails, clock))
    with pytest.raises(TimeoutError):
        running.result(0.3)
    assert calls == ["a"]
    clock.turn(86_400)
    with pytest.raises(ExecutionFailedError, match="Passing"):
        running.result(10)
    assert calls == ["a", "a"]


def test_the_time_limit_of_a_machine_goes_by_the_clock_that_it_is_given():
    clock = TurnedClock()
    wait = {"StartAt": "W", "TimeoutSeconds": 60, "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}}
    running = begun(StateMachineExecution("w", "limited", json.dumps(wait), {}, adds, clock))
    with pytest.raises(TimeoutError):
        running.result(0.3)
    clock.turn(60)
    with pytest.raises(ExecutionFailedError, match=r"States\.Timeout"):
        running.result(10)


@pytest.mark.parametrize("error", ["States.Timeout", "WorkerDied"])
@pytest.mark.parametrize("around", ["task", "map", "parallel"])
def test_an_error_keeps_its_name_through_a_map_and_a_parallel(error, around):
    def fails(function, payload):
        if function == "a":
            raise TaskError(error, "no")
        return payload

    catch = [{"ErrorEquals": [error], "ResultPath": "$.error", "Next": "F"}]
    inner = {"StartAt": "A", "States": {"A": task("a", End=True)}}
    states = {
        "task": task("a", Catch=catch, End=True),
        "map": {
            "Type": "Map",
            "ItemsPath": "$.xs",
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, **inner},
            "Catch": catch,
            "End": True,
        },
        "parallel": {"Type": "Parallel", "Branches": [inner], "Catch": catch, "End": True},
    }
    output = run({"S": states[around], "F": task("f", End=True)}, {"xs": [1]}, fails)
    assert output["error"]["Error"] == error


def test_a_call_that_takes_longer_than_it_may_is_caught():
    go_on = threading.Event()

    def hangs(function, payload):
        if function == "a":
            go_on.wait(10)
        return payload

    catch = [{"ErrorEquals": ["States.Timeout"], "ResultPath": "$.error", "Next": "F"}]
    states = {"A": task("a", TimeoutSeconds=1, Catch=catch, End=True), "F": task("f", End=True)}
    assert run(states, {}, hangs)["error"]["Error"] == "States.Timeout"
    go_on.set()


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:states:::sqs:sendMessage",
        "arn:aws:states:::lambda:invoke.sync",
        "arn:aws:states:::batch:submitJob",
        "arn:aws:lambda:us-east-1:123456789012:function:a",
        "arn:aws:states:us-east-1:123456789012:activity:a",
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_machine_that_asks_for_another_service_is_refused(resource, nested):
    states = {"A": {**task("a", End=True), "Resource": resource}}
    if nested:
        states = {"P": {"Type": "Parallel", "Branches": [{"StartAt": "A", "States": states}], "End": True}}
    with pytest.raises(ValueError, match="is one of"):
        run(states, {}, adds)


def test_a_stop_before_the_beginning_is_a_stop():
    definition = json.dumps({"StartAt": "A", "States": {"A": task("a", End=True)}})
    execution = StateMachineExecution("w", "e", definition, {}, adds, SystemClock())
    execution.stop("too early")
    with pytest.raises(ExecutionStoppedError):
        execution.run()


def test_a_parallel_that_is_stopped_while_it_begins_its_branches_ends():
    definition = json.dumps(
        {
            "StartAt": "P",
            "States": {
                "P": {
                    "Type": "Parallel",
                    "Branches": [{"StartAt": f"W{n}", "States": {f"W{n}": WAIT}} for n in range(30)],
                    "End": True,
                }
            },
        }
    )
    for _ in range(20):
        execution = StateMachineExecution("w", "e", definition, {}, adds, SystemClock())
        running = begun(execution)
        time.sleep(0.002)
        execution.stop("enough")
        with pytest.raises(ExecutionStoppedError):
            running.result(10)


WAIT = {"Type": "Wait", "Seconds": 600, "End": True}
