"""What is on a schedule is called at its rate, with what the schedule says."""

import threading
from pathlib import Path

import pytest

from ketbase.local.scheduler import Scheduled, Scheduler, schedules_of
from ketbase.local.template import Function, Schedule
from ketbase.runtime.settings import Settings


class Calls:
    """Notes the events that it is called with, and lets a test wait for them."""

    def __init__(self, problem=None):
        self.events = []
        self.problem = problem
        self._called = threading.Condition()

    def __call__(self, event, _context):
        with self._called:
            self.events.append(event)
            self._called.notify_all()
        if self.problem:
            raise self.problem

    def wait(self, count):
        with self._called:
            assert self._called.wait_for(lambda: len(self.events) >= count, 10)


def test_each_schedule_calls_its_function_with_its_own_event():
    calls, other = Calls(), Calls()
    scheduler = Scheduler(
        [
            Scheduled("poll", Schedule(3_600, {"engine": "ionq"}), calls),
            Scheduled("poll", Schedule(3_600, {"engine": "ibm"}), calls),
            Scheduled("other", Schedule(3_600, {}), other),
        ]
    )
    scheduler.start()
    calls.wait(2)
    other.wait(1)
    scheduler.close()
    assert sorted(event["engine"] for event in calls.events) == ["ibm", "ionq"]
    assert other.events == [{}]


def test_a_call_that_raises_or_changes_its_event_does_not_spoil_the_next():
    calls = Calls(RuntimeError("passing"))
    scheduler = Scheduler([Scheduled("poll", Schedule(1, {"engine": "ionq"}), calls)])
    scheduler.start()
    calls.wait(1)
    calls.events[0].clear()
    calls.wait(2)
    scheduler.close()
    assert calls.events[1] == {"engine": "ionq"}


def test_nothing_is_called_after_the_end():
    calls = Calls()
    scheduler = Scheduler([Scheduled("poll", Schedule(1, {}), calls)])
    scheduler.start()
    calls.wait(1)
    scheduler.close()
    threading.Event().wait(1.5)
    assert len(calls.events) == 1


def function(domain, *rates):
    schedules = tuple(Schedule(every_s, {"n": every_s}) for every_s in rates)
    path = Path("functions", domain, "poll", "app.py")
    return Function("F", path, route=False, image=False, timeout_s=5, schedules=schedules, on_doorbell=False)


@pytest.mark.parametrize(
    ("domain", "rates"), [("providers", [5, 3_600]), ("jobs", [60, 3_600])], ids=["pollers", "others"]
)
def test_only_what_asks_providers_every_minute_is_called_more_often_here(domain, rates):
    schedules = schedules_of(function(domain, 60, 3_600), poll_every_s=5)
    assert [schedule.every_s for schedule in schedules] == rates
    assert [schedule.event for schedule in schedules] == [{"n": 60}, {"n": 3_600}]


def test_how_often_is_a_setting(monkeypatch):
    assert Settings().poll_every_s == 5
    monkeypatch.setenv("KETBASE_POLL_EVERY_S", "2")
    assert Settings().poll_every_s == 2
    monkeypatch.setenv("KETBASE_POLL_EVERY_S", "0")
    with pytest.raises(ValueError, match="poll_every_s"):
        Settings()
