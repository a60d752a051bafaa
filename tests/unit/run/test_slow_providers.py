"""A provider that hangs is noticed, and holds up nobody whose job it is done with."""

import threading
import time

import pytest

from ketbase.backends.remote import RemoteStatus
from ketbase.jobs.types import JobStatus
from ketbase.providers.breaker import FAILURES
from ketbase.providers.poller import ASK_S, PATIENCE, STOP_S, Poller
from tests.fakes import ALICE
from tests.template import functions

from .test_handover import Remotely


@pytest.fixture
def scene(tmp_path):
    scene = Remotely(tmp_path / "r.db", breaker_s=60.0)
    scene.hanging = threading.Event()
    scene.poller = Poller(
        scene.store,
        scene.records,
        scene.provider,
        scene.breakers,
        scene.workflows,
        scene.clock,
        ask_s=0.5,
        stop_s=0.5,
    )
    yield scene
    scene.hanging.set()


def test_a_provider_that_hangs_counts_as_one_that_does_not_answer(scene):
    job = scene.begin()
    scene.submit_step(job)
    scene.poller.poll("ionq")
    asked = []

    def hang(*_):
        asked.append(1)
        scene.hanging.wait(10)

    scene.provider.states = hang
    for _ in range(FAILURES):
        assert scene.poller.poll("ionq").silent
    scene.clock.turn(PATIENCE.total_seconds() + 1)
    assert scene.poller.poll("ionq").silent  # and nobody asks, for the breaker is open
    assert len(asked) == FAILURES
    assert scene.now(job).status is JobStatus.UNKNOWN


def test_what_is_done_goes_on_while_another_job_does_not_let_itself_be_stopped(scene):
    done, cancelled = scene.begin(), scene.begin()
    token = scene.submit_step(done)
    scene.submit_step(cancelled)
    scene.provider.become(scene.remote_id(done), RemoteStatus.COMPLETED)
    scene.jobs.cancel(ALICE, cancelled.id)
    answered = []

    def hang(_engine, _remote_id):
        answered.append(token in scene.workflows.answers)
        scene.hanging.wait(10)

    scene.provider.cancel = hang
    began = time.monotonic()
    assert scene.poller.poll("ionq").answered == 1
    assert time.monotonic() - began < 5
    assert answered == [True]


def test_one_job_that_hangs_does_not_keep_the_others_from_being_stopped(scene):
    jobs = [scene.begin() for _ in range(3)]
    for job in jobs:
        scene.submit_step(job)
        scene.jobs.cancel(ALICE, job.id)
    stop, hanging = scene.provider.cancel, scene.remote_id(jobs[0])
    scene.provider.cancel = lambda engine, remote_id: (
        scene.hanging.wait(10) if remote_id == hanging else stop(engine, remote_id)
    )
    for _ in range(50):
        scene.poller.poll("ionq")
        if len(scene.provider.stopped) == 2:
            break
    assert set(scene.provider.stopped) == {scene.remote_id(job) for job in jobs[1:]}


def test_the_function_that_polls_has_time_for_all_of_it():
    poll = next(each for each in functions().values() if each.folder == "providers/poll")
    assert poll.timeout_s >= ASK_S + STOP_S + 15
