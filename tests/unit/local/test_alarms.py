"""Alarms ring when they are due, however many are set, and leave no thread behind."""

import threading
import time

from ketbase.local.alarms import Alarms


def test_whoever_waits_goes_on_when_it_is_due_and_not_before():
    due, event, alarms = threading.Event(), threading.Event(), Alarms()
    waiting = threading.Thread(target=alarms.wait, args=(event, due.is_set))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    due.set()
    waiting.join(5)
    assert not waiting.is_alive()


def test_whoever_waits_goes_on_when_somebody_sets_the_event():
    event, alarms = threading.Event(), Alarms()
    threading.Timer(0.2, event.set).start()
    began = time.monotonic()
    alarms.wait(event, lambda: False)
    assert 0.1 < time.monotonic() - began < 5


def test_what_is_due_already_is_not_waited_for():
    Alarms().wait(threading.Event(), lambda: True)


def test_an_alarm_rings_once_and_only_within_its_context():
    alarms, rung = Alarms(), []
    with alarms.when(lambda: True, lambda: rung.append(1)):
        time.sleep(0.4)
    with alarms.when(lambda: len(rung) > 1, lambda: rung.append(2)):
        time.sleep(0.2)
    rung.append(3)
    time.sleep(0.3)
    assert rung == [1, 3]


def test_one_thread_looks_for_all_and_ends_with_the_last():
    alarms, events = Alarms(), [threading.Event() for _ in range(50)]
    waiting = [threading.Thread(target=alarms.wait, args=(event, lambda: False)) for event in events]
    before = threading.active_count()
    for thread in waiting:
        thread.start()
    time.sleep(0.3)
    assert threading.active_count() == before + 51
    for event in events:
        event.set()
    for thread in waiting:
        thread.join(5)
    time.sleep(0.3)
    assert threading.active_count() == before
