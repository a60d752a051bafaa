"""The interpreter behaves as Step Functions does, in what our state machines use."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

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
    execution = StateMachineExecution("w", "waiting", definition, {"x": 1}, adds, clock)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(execution.run)
        with pytest.raises(TimeoutError):
            running.result(0.3)
        clock.turn(86_400)
        assert running.result(10) == {"x": 1}
