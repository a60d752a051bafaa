"""A task that waits for a token gets the answer once, whatever dies while it waits."""

import json
import threading
import time
from collections import defaultdict
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketbase.adapters.workflows.local import LocalWorkflows
from ketbase.local.asl import StateMachineExecution
from ketbase.local.runner import WorkflowRunner
from ketbase.local.task import TaskError
from ketbase.local.template import Template
from ketbase.ports.workflows import ExecutionStatus
from tests.fakes import TurnedClock
from tests.unit.local.test_asl import task
from tests.unit.local.test_runner import FakeWorkers, function

DAY_S = 86_400
DAYS = 14 * DAY_S
RETRY = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 60, "MaxAttempts": 2}]
CATCH = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Caught"}]
NO_CATCH = {"Type": "Succeed"}


def submission(**more):
    """A task that submits something and waits for its token, and then notes the answer."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": "submit", "Payload": {"token.$": "$$.Task.Token", "work.$": "$"}},
        **({"End": True} if "Next" not in more else {}),
        **more,
    }


def machine(*, states=None, **more):
    inner = states or {"Submit": submission(**more), "Caught": NO_CATCH}
    return {"StartAt": next(iter(inner)), "States": inner}


class Provider:
    """What a submitting function hands its tokens to, and what outlives every process."""

    def __init__(self):
        self.tokens = defaultdict(list)
        self.calls = []
        self.problems = []

    def submit(self, event, _context):
        self.calls.append(event["token"])
        self.tokens[str(event["work"])].append(event["token"])
        if self.problems:
            raise self.problems.pop(0)
        return {"submitted": True}

    def token(self, work="{}", number=0):
        return eventually(lambda: self.tokens[work][number] if len(self.tokens[work]) > number else None)


class House:
    """The processes of one data folder, one after the other."""

    def __init__(self, path, definition, provider=None, journal=LocalWorkflows):
        self.path, self.definition = path, definition
        self.provider = provider or Provider()
        self.clock = TurnedClock()
        self.steps = {"submit": self.provider.submit, "echo": lambda event, _: event}
        self.kind = journal
        self.runner = None

    def open(self):
        self.journal = self.kind(self.path, self.clock)
        functions = {name: function(name, False) for name in self.steps}
        template = Template(functions, {"w": json.dumps(self.definition)})
        self.runner = WorkflowRunner(self.journal, template, self.steps, FakeWorkers({}), self.clock)
        threading.Thread(target=self.runner.run, daemon=True).start()

    def close(self):
        self.runner.close()

    def status(self):
        return self.journal.status("w", "e")

    def end(self):
        return eventually(lambda: self.status() if self.status() is not ExecutionStatus.RUNNING else None)

    def output(self):
        assert self.end() is ExecutionStatus.SUCCEEDED, self.detail()
        return json.loads(self.detail())

    def pauses(self, count):
        """Wait until so many intervals have begun."""
        begun = "SELECT 1 FROM calls WHERE place LIKE '%~%'"
        eventually(lambda: len(self.journal._read(begun)) == count or None)

    def detail(self):
        return self.journal._read("SELECT detail FROM executions")[0][0]


@contextmanager
def running(path, definition, payload=None, **more):
    house = House(path, definition, **more)
    house.open()
    house.journal.start("w", "e", payload or {})
    try:
        yield house
    finally:
        house.close()


def eventually(look, seconds=15):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.01)
    raise AssertionError("it does not come")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "workflows.db"


# --- Answers ---


def test_the_answer_is_the_tasks_output(path):
    with running(path, machine()) as house:
        assert house.journal.succeed(house.provider.token(), {"result": [1, "ä"]})
        assert house.output() == {"result": [1, "ä"]}
        assert len(house.provider.calls) == 1


def test_a_failure_is_caught_with_its_error_and_cause(path):
    with running(path, machine(Catch=CATCH)) as house:
        assert house.journal.fail(house.provider.token(), "Rejected", "no such device")
        assert house.output() == {"error": {"Error": "Rejected", "Cause": "no such device"}}


def test_a_failure_that_nobody_catches_fails_the_execution(path):
    with running(path, machine()) as house:
        house.journal.fail(house.provider.token(), "Rejected", "no such device")
        assert house.end() is ExecutionStatus.FAILED
        assert house.detail() == "Rejected: no such device"


@pytest.mark.parametrize("error", ["States.Timeout", "States.Whatever"])
def test_a_failure_may_have_any_name(path, error):
    with running(path, machine(Catch=CATCH)) as house:
        house.journal.fail(house.provider.token(), error, "")
        assert house.output()["error"]["Error"] == error


def test_the_first_answer_stands(path):
    with running(path, machine()) as house:
        token = house.provider.token()
        assert house.journal.succeed(token, {"n": 1})
        assert not house.journal.succeed(token, {"n": 2})
        assert not house.journal.fail(token, "Late", "")
        assert house.output() == {"n": 1}
        assert not house.journal.succeed(token, {"n": 3})


def test_of_many_answers_at_one_moment_one_is_taken(path):
    with running(path, machine()) as house:
        token, together, taken = house.provider.token(), threading.Barrier(8), []

        def answers(number):
            together.wait(10)
            if house.journal.succeed(token, {"n": number}):
                taken.append(number)

        threads = [threading.Thread(target=answers, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [house.output()["n"]] == taken


def test_a_token_that_nobody_made_is_not_answered(path):
    with running(path, machine()) as house:
        house.provider.token()
        assert not house.journal.succeed("token", {})
        assert not house.journal.fail("", "Error", "")
        assert house.status() is ExecutionStatus.RUNNING


def test_an_answer_before_the_submitting_call_has_returned_is_kept(path):
    house, returned = House(path, machine(End=True)), threading.Event()

    def submit(event, _context):
        assert house.journal.succeed(event["token"], {"quick": True})
        returned.wait(10)
        raise TaskError("Late", "the answer stands")

    house.steps["submit"] = submit
    house.open()
    house.journal.start("w", "e", {})
    assert house.output() == {"quick": True}
    returned.set()
    house.close()


def test_another_process_may_answer(path):
    with running(path, machine()) as house:
        other = LocalWorkflows(path, TurnedClock())
        assert other.succeed(house.provider.token(), {"n": 1})
        assert house.output() == {"n": 1}


def test_what_somebody_else_could_guess_is_no_token(path):
    with running(path, machine()) as house:
        token = house.provider.token()
        assert len(token) >= 40
        elsewhere = LocalWorkflows(path.with_name("elsewhere.db"), TurnedClock())
        assert elsewhere.of("e").token("/Submit#1") != token


# --- Submitting ---


def test_a_submission_that_raises_is_caught_as_that_of_a_function(path):
    provider = Provider()
    provider.problems = [TaskError("StepFailedError", "no")]
    house = House(path, machine(Catch=CATCH), provider)
    house.steps["submit"] = provider.submit
    house.open()
    house.journal.start("w", "e", {})
    error = house.output()["error"]
    assert error["Error"] == "TaskError"
    assert json.loads(error["Cause"])["errorMessage"] == "no"
    house.close()


def test_a_submission_that_does_not_return_ends_with_the_time_limit(path):
    house, began, go_on = House(path, machine(TimeoutSeconds=60, Catch=CATCH)), threading.Event(), threading.Event()
    house.steps["submit"] = lambda *_: began.set() or go_on.wait(30)
    house.open()
    house.journal.start("w", "e", {})
    assert began.wait(10)
    house.clock.turn(61)
    assert house.output()["error"]["Error"] == "States.Timeout"
    go_on.set()
    house.close()


# --- Time ---


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        ({"TimeoutSeconds": DAYS}, DAYS),
        ({"TimeoutSeconds": DAYS, "HeartbeatSeconds": DAY_S}, DAY_S),
        ({"HeartbeatSeconds": DAY_S}, DAY_S),
        ({"TimeoutSecondsPath": "$.limit"}, 5_000),
    ],
)
def test_a_task_waits_as_long_as_it_may(path, limits, seconds):
    with running(path, machine(Catch=CATCH, **limits), {"limit": 5_000}) as house:
        eventually(lambda: house.provider.calls or None)
        token = house.provider.calls[0]
        house.clock.turn(seconds - 1)
        time.sleep(0.3)
        assert house.status() is ExecutionStatus.RUNNING
        house.clock.turn(1)
        assert house.output()["error"]["Error"] == "States.Timeout"
        assert not house.journal.succeed(token, {})


def test_a_task_without_a_limit_waits_for_years(path):
    with running(path, machine()) as house:
        token = house.provider.token()
        house.clock.turn(3 * 365 * DAY_S)
        time.sleep(0.3)
        assert house.journal.succeed(token, {"n": 1})
        assert house.output() == {"n": 1}


def test_the_time_limit_of_the_machine_ends_the_waiting(path):
    with running(path, machine() | {"TimeoutSeconds": DAYS}) as house:
        token = house.provider.token()
        house.clock.turn(DAYS)
        assert house.end() is ExecutionStatus.FAILED
        assert house.detail().startswith("States.Timeout")
        assert not house.journal.succeed(token, {})


def test_the_time_goes_on_while_nobody_is_there(path):
    with running(path, machine(TimeoutSeconds=DAYS, Catch=CATCH)) as house:
        house.provider.token()
        house.clock.turn(DAYS - 60)
        house.close()
        house.open()
        time.sleep(0.3)
        assert house.status() is ExecutionStatus.RUNNING
        house.clock.turn(60)
        assert house.output()["error"]["Error"] == "States.Timeout"
        assert len(house.provider.calls) == 1


def test_an_answer_that_came_in_time_is_found_after_the_time(path):
    with running(path, machine(TimeoutSeconds=DAYS)) as house:
        token = house.provider.token()
        house.close()
        assert LocalWorkflows(path, TurnedClock()).succeed(token, {"n": 1})
        house.clock.turn(2 * DAYS)
        house.open()
        assert house.output() == {"n": 1}


# --- Retry ---


@pytest.mark.parametrize("ending", ["failure", "timeout", "submission"])
def test_a_retry_has_a_token_of_its_own(path, ending):
    provider = Provider()
    provider.problems = [RuntimeError("lost")] if ending == "submission" else []
    with running(path, machine(TimeoutSeconds=DAYS, Retry=RETRY), provider=provider) as house:
        first = provider.token()
        if ending == "failure":
            assert house.journal.fail(first, "Lost", "")
        elif ending == "timeout":
            house.clock.turn(DAYS)
        house.pauses(1)
        time.sleep(0.2)
        assert provider.calls == [first]
        house.clock.turn(60)
        second = provider.token(number=1)
        assert first != second
        assert not house.journal.succeed(first, {"n": 1})
        assert house.journal.succeed(second, {"n": 2})
        assert house.output() == {"n": 2}


def test_a_restart_waits_with_the_token_of_the_last_attempt(path):
    with running(path, machine(TimeoutSeconds=DAYS, Retry=RETRY)) as house:
        house.journal.fail(house.provider.token(), "Lost", "")
        house.pauses(1)
        house.clock.turn(60)
        second = house.provider.token(number=1)
        house.close()
        house.open()
        time.sleep(0.5)
        assert house.provider.calls[1:] == [second]
        assert house.journal.succeed(second, {"n": 2})
        assert house.output() == {"n": 2}


def test_a_restart_waits_only_for_the_rest_of_an_interval(path):
    with running(path, machine(Retry=RETRY)) as house:
        house.journal.fail(house.provider.token(), "Lost", "")
        house.pauses(1)
        house.clock.turn(40)
        house.close()
        house.open()
        time.sleep(0.3)
        assert len(house.provider.calls) == 1
        house.clock.turn(20)
        house.provider.token(number=1)


def test_a_restart_counts_the_attempts_before_it(path):
    with running(path, machine(Retry=RETRY, Catch=CATCH)) as house:
        for number in range(3):
            house.journal.fail(house.provider.token(number=number), "Lost", str(number))
            house.close()
            house.open()
            if number < 2:
                house.pauses(number + 1)
            house.clock.turn(200)
        assert house.output()["error"]["Cause"] == "2"
        assert len(house.provider.calls) == 3


# --- Several at once ---


def fan(count, **more):
    inner = machine(states={"Submit": submission(**more), "Caught": NO_CATCH})
    item = {"ProcessorConfig": {"Mode": "INLINE"}, **inner}
    return machine(states={"Fan": {"Type": "Map", "ItemsPath": "$.xs", "ItemProcessor": item, "End": True}})


def both(submissions, **more):
    branches = [machine(states={name: submission(**task)}) for name, task in submissions.items()]
    return machine(
        states={"Both": {"Type": "Parallel", "Branches": branches, "End": True, **more}, "Caught": NO_CATCH}
    )


def test_each_item_of_a_map_has_its_answer_whatever_the_order(path):
    with running(path, fan(20), {"xs": list(range(20))}) as house:
        tokens = {n: house.provider.token(str(n)) for n in range(20)}
        for n in reversed(range(20)):
            assert house.journal.succeed(tokens[n], {"n": n})
        assert [each["n"] for each in house.output()] == list(range(20))
        assert len(set(house.provider.calls)) == 20


def test_equal_items_of_a_map_have_different_tokens_and_keep_them_in_a_restart(path):
    with running(path, fan(6), {"xs": ["same"] * 6}) as house:
        eventually(lambda: len(house.provider.calls) == 6 or None)
        tokens = list(house.provider.calls)
        assert len(set(tokens)) == 6
        house.journal.succeed(tokens[2], {"n": 2})
        places = dict(house.journal._read("SELECT token, place FROM calls WHERE token IS NOT NULL"))
        house.close()
        house.open()
        for n, token in enumerate(tokens):
            assert house.journal.succeed(token, {"n": n}) is (n != 2)
        by_place = sorted(range(6), key=lambda n: int(places[tokens[n]].split("[")[1].split("]")[0]))
        assert [each["n"] for each in house.output()] == by_place
        assert house.provider.calls == tokens


def test_a_branch_that_fails_ends_the_waiting_of_the_others(path):
    with running(path, both({"A": {}, "B": {}}, Catch=CATCH)) as house:
        eventually(lambda: len(house.provider.calls) == 2 or None)
        tokens = {house.journal.of("e").token(f"/Both#1[{n}]/{name}#1"): name for n, name in enumerate("AB")}
        a, b = tokens
        assert set(house.provider.calls) == set(tokens)
        assert house.journal.fail(a, "Rejected", "no")
        assert house.output()["error"] == {"Error": "Rejected", "Cause": "no"}
        assert not house.journal.succeed(b, {})


@pytest.mark.parametrize("kind", ["map", "parallel"])
def test_a_time_limit_inside_is_caught_outside(path, kind):
    if kind == "parallel":
        definition = both({"A": {"TimeoutSeconds": 60}}, Catch=CATCH)
    else:
        definition = fan(1, TimeoutSeconds=60)
        definition["States"]["Fan"]["Catch"] = CATCH
        definition["States"]["Caught"] = NO_CATCH
    with running(path, definition, {"xs": [1]}) as house:
        eventually(lambda: house.provider.calls or None)
        house.clock.turn(60)
        assert house.output()["error"]["Error"] == "States.Timeout"


def test_a_branch_that_is_repeated_because_of_another_keeps_its_new_token_in_a_restart(path):
    with running(path, both({"A": {}, "B": {}}, Retry=RETRY)) as house:
        eventually(lambda: len(house.provider.calls) == 2 or None)
        token = house.journal.of("e").token
        house.journal.fail(token("/Both#1[0]/A#1"), "Lost", "")
        abandoned = token("/Both#1[1]/B#1")
        eventually(lambda: house.journal.of("e").outcome("/Both#1[1]/B#1"))
        assert not house.journal.succeed(abandoned, {})
        house.pauses(1)
        house.clock.turn(60)
        eventually(lambda: len(house.provider.calls) == 4 or None)
        for _ in range(3):
            house.close()
            house.open()
            time.sleep(0.3)
        assert len(house.provider.calls) == 4
        assert house.journal.succeed(token("/Both#2[1]/B#1"), {"b": 2})
        assert house.journal.succeed(token("/Both#2[0]/A#1"), {"a": 2})
        assert house.output() == [{"a": 2}, {"b": 2}]


def test_a_restart_finds_the_branch_that_failed_and_not_one_that_was_given_up(path):
    first = {"A": submission(Next="B"), "B": submission()}
    states = {
        "Both": {
            "Type": "Parallel",
            "Branches": [machine(states=first), machine(states={"C": submission()})],
            "Catch": [{"ErrorEquals": ["Lost"], "ResultPath": "$.error", "Next": "D"}],
            "End": True,
        },
        "D": submission(),
    }
    with running(path, machine(states=states)) as house:
        token, submitted = house.journal.of("e").token, lambda count: len(house.provider.calls) == count or None
        eventually(lambda: submitted(2))
        house.journal.succeed(token("/Both#1[0]/A#1"), {})
        eventually(lambda: submitted(3))
        house.journal.fail(token("/Both#1[0]/B#1"), "Lost", "")
        eventually(lambda: submitted(4))
        for _ in range(3):
            house.close()
            house.open()
            time.sleep(0.3)
        assert house.journal.succeed(token("/D#1"), {"n": 1})
        assert house.output() == {"n": 1}
        assert submitted(4)


# --- The end ---


def test_a_stop_ends_the_waiting_at_once(path):
    with running(path, machine(Catch=CATCH)) as house:
        token = house.provider.token()
        house.journal.stop("w", "e", "cancelled")
        assert not house.journal.succeed(token, {})
        eventually(lambda: not house.runner._under_way or None, seconds=1)
        assert house.status() is ExecutionStatus.STOPPED


def test_what_is_over_leaves_no_call_behind(path):
    late = threading.Event()
    house = House(path, machine(Catch=CATCH))
    house.steps["submit"] = lambda event, _: house.provider.submit(event, _) and late.wait(10) and event
    house.open()
    house.journal.start("w", "e", {})
    house.provider.token()
    house.journal.stop("w", "e", "cancelled")
    late.set()
    time.sleep(0.3)
    assert house.journal._read("SELECT * FROM calls") == []
    house.close()


def test_a_machine_without_a_journal_cannot_wait_for_a_token():
    execution = StateMachineExecution("w", "e", json.dumps(machine()), {}, lambda *_: b"{}", TurnedClock())
    with pytest.raises(Exception, match="journal"):
        execution.run()


# --- Restarts ---


def test_a_restart_waits_with_the_same_token_and_does_not_submit_again(path):
    with running(
        path, machine(states={"Submit": submission(Next="Echo"), "Echo": task("echo", End=True)})
    ) as house:
        token = house.provider.token()
        for _ in range(3):
            time.sleep(0.2)
            house.close()
            house.open()
        time.sleep(0.3)
        assert house.provider.calls == [token]
        house.close()
        assert house.journal.succeed(token, {"n": 1})
        assert house.status() is ExecutionStatus.RUNNING
        house.open()
        assert house.output() == {"n": 1}
        assert house.provider.calls == [token]


def test_what_was_answered_while_its_submission_died_is_not_submitted_again(path):
    house, died = House(path, machine()), threading.Event()
    house.steps["submit"] = lambda event, _: house.provider.submit(event, _) and died.wait(30)
    house.open()
    house.journal.start("w", "e", {})
    token = house.provider.token()
    house.close()
    assert house.journal.succeed(token, {"n": 1})
    house.open()
    assert house.output() == {"n": 1}
    assert house.provider.calls == [token]
    died.set()


class Crash:
    """Lets a process die at one of its writes: nothing of it is written from then on."""

    def __init__(self, at, after):
        self.left, self.after = at, after
        self.dead = threading.Event()

    def journal(self, path, clock):
        crash = self

        class Journal(LocalWorkflows):
            def _write(self, statement, *values):
                if threading.current_thread() is threading.main_thread():
                    return super()._write(statement, *values)
                crash.left -= 1
                if crash.left == 0 and crash.after:
                    super()._write(statement, *values)
                if crash.left <= 0:
                    crash.dead.set()
                    threading.Event().wait()
                return super()._write(statement, *values)

        return Journal(path, clock)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", range(1, 13))
def test_a_crash_at_any_write_changes_nothing(path, write, after):
    """Light, then a submission that is lost once and then answered, then light."""
    states = {
        "Before": task("echo", Next="Submit"),
        "Submit": submission(Retry=RETRY, Next="After"),
        "After": task("echo", End=True),
    }
    house, crash = House(path, machine(states=states)), Crash(write, after)
    house.kind = crash.journal
    house.open()
    outside = LocalWorkflows(path, TurnedClock())
    outside.start("w", "e", {})
    answered = []

    def work(done):
        """Answer what was submitted, the first time with a failure, and let time pass."""
        deadline = time.monotonic() + 15
        while not done() and time.monotonic() < deadline:
            for token in list(house.provider.calls):
                if token not in answered:
                    taken = outside.succeed(token, {"n": 2}) if answered else outside.fail(token, "Lost", "")
                    answered.extend([token] if taken else [])
            house.clock.turn(10)
            house.journal._notify()
            time.sleep(0.02)
        assert done()

    work(lambda: crash.dead.is_set() or outside.status("w", "e") is not ExecutionStatus.RUNNING)
    house.close()
    house.kind = LocalWorkflows
    house.open()
    work(lambda: outside.status("w", "e") is not ExecutionStatus.RUNNING)
    assert house.output() == {"n": 2}
    assert len(set(house.provider.calls)) == 2
    assert len(house.provider.calls) <= 3
    assert answered == sorted(set(house.provider.calls), key=house.provider.calls.index)
    house.close()


ANSWERS = st.lists(st.lists(st.sampled_from(["success", "failure", "timeout"]), min_size=3, max_size=3), max_size=3)


@settings(max_examples=25, deadline=None)
@given(ANSWERS, st.sets(st.integers(0, 8)))
def test_restarts_change_neither_the_output_nor_what_is_submitted(tmp_path_factory, answers, restarts):
    """Each item of a Map is answered as drawn, in rounds; the house is restarted before some of the rounds."""
    path = tmp_path_factory.mktemp("workflows") / "workflows.db"
    definition = fan(len(answers), TimeoutSeconds=DAYS, Retry=RETRY, Catch=CATCH)
    expected, attempts, repeated = [], [], 0
    for each in answers:
        count = each.index("success") + 1 if "success" in each else 3
        attempts.append(count)
        expected.append({"success": "ok", "failure": "Lost", "timeout": "States.Timeout"}[each[count - 1]])
    with running(path, definition, {"xs": [{"n": n} for n in range(len(answers))]}) as house:
        for turn in range(3):
            waiting = [n for n, count in enumerate(attempts) if count > turn]
            tokens = {n: house.provider.token(str({"n": n}), turn) for n in waiting}
            for n in waiting:
                if len(restarts & {3 * turn + n}):
                    house.close()
                    house.open()
                if answers[n][turn] == "success":
                    assert house.journal.succeed(tokens[n], {"ok": True})
                elif answers[n][turn] == "failure":
                    assert house.journal.fail(tokens[n], "Lost", "")
            house.clock.turn(DAYS)
            if any(count > turn + 1 for count in attempts):
                repeated += sum(answers[n][turn] != "success" for n in waiting)
                house.pauses(repeated)
            house.clock.turn(120)
        got = ["ok" if "ok" in each else each["error"]["Error"] for each in house.output()]
        assert got == expected
        assert len(house.provider.calls) == len(set(house.provider.calls)) == sum(attempts)
