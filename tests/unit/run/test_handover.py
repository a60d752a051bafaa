"""A run at a provider: handed over once, waited for, fetched, cancelled, and never failed for a passing error."""

import json
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pybreaker import STATE_OPEN

from ketbase.backends.catalog import backends as catalogue
from ketbase.backends.discovered import Discoveries
from ketbase.backends.remote import RemoteStatus, Sighting
from ketbase.errors import ExecutionError, UnavailableError
from ketbase.jobs.sweeper import Patience, Sweeper
from ketbase.jobs.types import JobStatus
from ketbase.money import Money
from ketbase.providers.breaker import FAILURES, Breakers
from ketbase.providers.poller import PATIENCE, Poller
from ketbase.run.handover import HandoverSteps
from ketbase.run.types import Lane
from ketbase.steps.ceiling import JobOverError
from ketbase.steps.failures import StepFailedError
from ketbase.steps.types import StepFailure
from tests.fakes import ALICE, FakeRemoteProvider, backends_of

from .test_run import Scene

PRICE = Money.of("1.00")
QPU = catalogue()["aer"].model_copy(
    update={"id": "ionq_forte", "type": "hardware", "engine": "ionq", "remote_name": "qpu.forte-1"}
)


class Remotely(Scene):
    """A scene whose provider works elsewhere, with the whole workflow in one call."""

    def __init__(self, path, *, breaker_s=0.0):
        super().__init__(path)
        self.provider = provider = FakeRemoteProvider()
        discoveries = Discoveries(self.records, self.clock)
        discoveries.keep("ionq", (Sighting(info=QPU, available=True, raw_status="available"),))
        quotes = self.runs._quotes
        self.backends = backends_of(self.records, self.store, quotes, self.clock, ("aer", "ionq"))
        self.runs._backends = self.compute._backends = self.final._backends = self.backends
        self.compute._provider = provider
        self.breakers = Breakers(self.records, open_s=breaker_s)
        self.handover = HandoverSteps(
            self.store,
            self.compute._files,
            provider,
            self.backends,
            self.breakers,
            self.prices,
            self.meter,
            self.doorbell,
            self.clock,
        )
        self.poller = Poller(self.store, self.records, provider, self.breakers, self.workflows, self.clock)
        self.sweep = Sweeper(
            self.store,
            self.workflows,
            self.doorbell,
            self.clock,
            Patience(grace=timedelta(0), deadline=timedelta(hours=1)),
        ).sweep
        self.tokens = 0

    def begin(self, **body):
        job = self.started(backend="ionq_forte", **body)
        self.workflows.start("run", job.execution, {})
        assert self.compute.compile(job.reference) is Lane.REMOTE
        return job

    def submit_step(self, job):
        self.tokens += 1
        token = f"token-{self.tokens}"
        self.workflows.waiting.add(token)
        self.handover.submit(job.reference, token)
        return token

    def fail_by(self, job, problem):
        """Let the workflow end as it does after a step raised this."""
        name = type(problem).__name__
        cause = json.dumps({"errorType": name, "errorMessage": str(problem)})
        self.final.fail(job.reference, StepFailure(Error=name, Cause=cause))

    def fetch_failing(self, job):
        with pytest.raises(StepFailedError) as raised:
            self.handover.fetch(job.reference)
        self.fail_by(job, raised.value)
        return self.now(job)

    def at_provider(self, *states):
        """A job that was handed over, and seen in these states there."""
        job = self.begin()
        self.submit_step(job)
        for status in states:
            self.provider.become("remote-1", status)
            self.poller.poll("ionq")
        return job

    def now(self, job):
        return self.store.get(job.organization_id, job.id)

    def remote_id(self, job):
        return self.now(job).remote.id

    @property
    def books(self):
        return self.ledger.standing(ALICE.organization_id)


@pytest.fixture
def scene(tmp_path):
    return Remotely(tmp_path / "r.db")


def test_a_run_at_a_provider_is_handed_over_polled_fetched_and_paid(scene):
    job = scene.begin(shots=50)
    token = scene.submit_step(job)
    assert scene.poller.poll("ionq").answered == 0
    scene.provider.become(scene.remote_id(job), RemoteStatus.RUNNING)
    assert scene.poller.poll("ionq").changed == 1
    scene.provider.become(scene.remote_id(job), RemoteStatus.COMPLETED)
    assert scene.poller.poll("ionq").answered == 1
    assert scene.workflows.answers[token] == job.reference.model_dump()
    scene.handover.fetch(job.reference)
    scene.final.collect(job.reference)
    done = scene.now(job)
    assert done.status is JobStatus.COMPLETED
    assert PRICE < done.actual_cost <= done.reserved_cost
    assert scene.books.reserved == Money()
    remote = scene.jobs.result(ALICE, job.id)["provenance"]["remote"]
    assert (remote["engine"], remote["id"], remote["raw_status"]) == ("ionq", "remote-1", "completed")
    kept = scene.blobs.kept[f"jobs/{ALICE.organization_id}/{job.id}/provider.json"]
    assert json.loads(kept)["raw"] == {"id": "remote-1"}
    assert list(scene.store.handed_over("ionq")) == []


def test_an_answer_that_got_lost_does_not_hand_a_job_in_twice(scene):
    job = scene.begin()
    scene.provider.faults = ["lost", "away"]
    for _ in range(2):
        with pytest.raises(UnavailableError):
            scene.submit_step(job)
    scene.submit_step(job)
    assert scene.provider.tags == {job.id: ["remote-1"]}
    assert scene.remote_id(job) == "remote-1"


def test_a_first_submission_does_not_look_for_an_earlier_one(scene):
    job = scene.begin()
    asked = []
    scene.provider.find = lambda *_: asked.append("find")
    scene.submit_step(job)
    assert asked == []


def test_a_job_whose_workflow_died_goes_on_with_what_is_at_the_provider(scene):
    job = scene.begin()
    scene.submit_step(job)
    requeued = scene.store.requeue(scene.now(job), "its run died")
    again = scene.store.start(requeued, at_most_running=9, at_most_in_all=9)
    compiled_before = len(scene.provider.compiled)
    assert scene.compute.compile(again.reference) is Lane.REMOTE
    assert len(scene.provider.compiled) == compiled_before  # what is there was compiled before
    token = scene.submit_step(again)
    scene.provider.become("remote-1", RemoteStatus.COMPLETED)
    scene.poller.poll("ionq")
    assert token in scene.workflows.answers
    assert scene.provider.tags == {job.id: ["remote-1"]}


def test_what_the_provider_refuses_fails_the_job_with_its_words(scene):
    job = scene.begin()
    scene.provider.faults = ["refused"]
    with pytest.raises(StepFailedError, match="no such gate") as raised:
        scene.submit_step(job)
    cause = json.dumps({"errorType": "StepFailedError", "errorMessage": str(raised.value)})
    scene.final.fail(job.reference, StepFailure(Error="StepFailedError", Cause=cause))
    assert scene.now(job).error.code == "PROVIDER_REFUSED"
    assert scene.now(job).actual_cost < Money.of("0.01")


def test_a_status_that_nobody_knows_makes_the_job_unknown_and_never_failed(scene):
    job = scene.begin()
    scene.submit_step(job)
    scene.provider.become("remote-1", RemoteStatus.UNKNOWN, "defragmenting")
    scene.poller.poll("ionq")
    assert scene.now(job).status is JobStatus.UNKNOWN
    assert scene.now(job).remote.raw_status == "defragmenting"
    assert [each.id for each in scene.store.running()] == [job.id]
    scene.provider.become("remote-1", RemoteStatus.COMPLETED)
    scene.poller.poll("ionq")
    assert scene.now(job).status is JobStatus.RUNNING
    scene.handover.fetch(job.reference)
    scene.final.collect(job.reference)
    assert scene.now(job).status is JobStatus.COMPLETED


def test_a_silent_provider_leaves_jobs_unknown_after_a_while_and_they_come_back(scene):
    job = scene.begin()
    scene.submit_step(job)
    scene.poller.poll("ionq")
    scene.provider.faults = ["away"]
    scene.clock.turn(60)
    assert scene.poller.poll("ionq").silent
    assert scene.now(job).status is JobStatus.RUNNING
    scene.provider.faults = ["away"]
    scene.clock.turn(PATIENCE.total_seconds())
    scene.poller.poll("ionq")
    assert scene.now(job).status is JobStatus.UNKNOWN
    scene.poller.poll("ionq")
    assert scene.now(job).status is JobStatus.RUNNING


@pytest.mark.parametrize(
    ("there", "paid"), [(RemoteStatus.QUEUED, False), (RemoteStatus.RUNNING, True), (RemoteStatus.UNKNOWN, True)]
)
def test_cancelling_reaches_the_provider_before_the_job_is_over(scene, there, paid):
    job = scene.begin()
    scene.submit_step(job)
    scene.provider.become("remote-1", there)
    scene.poller.poll("ionq")
    assert scene.jobs.cancel(ALICE, job.id).status in (JobStatus.RUNNING, JobStatus.UNKNOWN)
    assert scene.jobs.cancel(ALICE, job.id).status in (JobStatus.RUNNING, JobStatus.UNKNOWN)
    scene.poller.poll("ionq")
    assert scene.provider.stopped == ["remote-1"]
    assert scene.poller.poll("ionq").answered == 1
    with pytest.raises(JobOverError):
        scene.handover.fetch(job.reference)
    done = scene.now(job)
    assert done.status is JobStatus.CANCELLED
    assert (done.actual_cost >= PRICE) is paid
    assert scene.books.reserved == Money()


def test_a_job_that_was_done_before_the_cancel_arrived_keeps_its_result(scene):
    job = scene.begin()
    scene.submit_step(job)
    scene.provider.become("remote-1", RemoteStatus.COMPLETED)
    scene.jobs.cancel(ALICE, job.id)
    scene.poller.poll("ionq")
    scene.handover.fetch(job.reference)
    scene.final.collect(job.reference)
    assert scene.now(job).status is JobStatus.COMPLETED


def test_a_job_that_is_not_handed_over_yet_is_cancelled_at_once(scene):
    job = scene.begin()
    assert scene.jobs.cancel(ALICE, job.id).status is JobStatus.CANCELLED
    with pytest.raises(JobOverError):
        scene.submit_step(job)
    assert scene.provider.tags == {}


def test_a_job_that_is_stopped_at_the_provider_by_others_fails_and_says_so(scene):
    job = scene.begin()
    scene.submit_step(job)
    scene.provider.become("remote-1", RemoteStatus.CANCELLED)
    scene.poller.poll("ionq")
    with pytest.raises(StepFailedError, match="CANCELLED_AT_PROVIDER"):
        scene.handover.fetch(job.reference)


def test_fetching_again_after_a_crash_charges_once(scene):
    job = scene.begin()
    scene.submit_step(job)
    scene.provider.become("remote-1", RemoteStatus.COMPLETED)
    scene.poller.poll("ionq")
    scene.handover.fetch(job.reference)
    once = scene.now(job).cost_so_far
    scene.handover.fetch(job.reference)
    assert scene.now(job).cost_so_far == once


def test_what_may_be_at_the_provider_is_withdrawn_when_the_job_fails_here(scene):
    job = scene.begin()
    scene.provider.faults = ["lost"]
    with pytest.raises(UnavailableError):
        scene.submit_step(job)
    scene.handover.withdraw(job.reference)
    assert scene.provider.stopped == ["remote-1"]


def test_a_withdrawal_that_goes_wrong_lets_the_job_fail_all_the_same(scene):
    job = scene.begin()
    scene.submit_step(job)
    scene.provider.faults = ["away"]
    scene.handover.withdraw(job.reference)
    assert scene.provider.stopped == []


def test_a_job_nobody_hears_of_is_stopped_and_then_given_up_and_paid(scene):
    job = scene.begin()
    scene.submit_step(job)
    scene.provider.become("remote-1", RemoteStatus.UNKNOWN, "lost in space")
    scene.poller.poll("ionq")
    scene.provider.cancel = lambda *_: None  # it does not help
    scene.clock.turn(timedelta(hours=23).total_seconds())
    assert scene.sweep().withdrawn == ()
    scene.clock.turn(timedelta(hours=2).total_seconds())
    assert scene.sweep().withdrawn == (job.id,)
    assert scene.sweep().failed == ()
    scene.clock.turn(timedelta(hours=25).total_seconds())
    assert scene.sweep().failed == (job.id,)
    done = scene.now(job)
    assert done.error.code == "PROVIDER_SILENT"
    assert done.actual_cost >= PRICE
    assert scene.books.reserved == Money()


def test_a_long_queue_at_the_provider_is_no_reason_to_stop_a_job(scene):
    job = scene.begin()
    scene.submit_step(job)
    scene.clock.turn(timedelta(days=13).total_seconds())
    swept = scene.sweep()
    assert (swept.failed, swept.withdrawn, swept.requeued) == ((), (), ())
    scene.clock.turn(timedelta(days=2).total_seconds())
    assert scene.sweep().withdrawn == (job.id,)


def is_open(breakers, engine):
    kept, _ = breakers._of(engine)
    kept.read()
    return kept.state == STATE_OPEN


def test_a_provider_that_does_not_answer_is_left_alone_for_a_while(tmp_path):
    scene = Remotely(tmp_path / "r.db", breaker_s=60.0)
    job = scene.begin()
    for _ in range(FAILURES):
        scene.provider.faults = ["away"]
        with pytest.raises(UnavailableError, match="nobody answers"):
            scene.submit_step(job)
    with pytest.raises(UnavailableError, match="several times in a row"):
        scene.submit_step(job)
    others = Breakers(scene.records, open_s=60.0)
    assert is_open(others, "ionq")
    assert not is_open(others, "ibm")
    patient = Breakers(scene.records, open_s=0.0)
    assert patient.call("ionq", lambda: "answer") == "answer"
    assert not is_open(others, "ionq")


@pytest.mark.parametrize("problem", [StepFailedError("x"), UnavailableError("X", "x", retry_after_s=3)])
def test_answers_that_nobody_likes_open_no_breaker(tmp_path, problem):
    scene = Remotely(tmp_path / "r.db", breaker_s=60.0)

    def refuse():
        raise problem

    for _ in range(2 * FAILURES):
        with pytest.raises(type(problem)):
            scene.breakers.call("ionq", refuse)
    assert not is_open(scene.breakers, "ionq")


# --- What passes fails no job, and costs nothing ---


def test_a_provider_that_is_away_while_compiling_costs_nothing_and_fails_no_job(scene):
    job = scene.started(backend="ionq_forte")
    scene.workflows.start("run", job.execution, {})
    scene.provider.problem = UnavailableError("PROVIDER_UNAVAILABLE", "nobody answers")
    for _ in range(280):
        scene.clock.turn(300)
        with pytest.raises(UnavailableError):
            scene.compute.compile(job.reference)
        swept = scene.sweep()
        assert (swept.failed, swept.requeued) == ((), ())
    assert scene.now(job).cost_so_far == Money()
    scene.provider.problem = None
    assert scene.compute.compile(job.reference) is Lane.REMOTE


def test_a_workflow_that_begins_anew_while_the_job_is_unknown_goes_on_with_it(scene):
    job = scene.at_provider(RemoteStatus.UNKNOWN)
    requeued = scene.store.requeue(scene.now(job), "its run died")
    again = scene.store.start(requeued, at_most_running=9, at_most_in_all=9)
    scene.poller.poll("ionq")
    assert scene.now(job).status is JobStatus.UNKNOWN
    assert scene.compute.compile(again.reference) is Lane.REMOTE
    token = scene.submit_step(again)
    scene.provider.become("remote-1", RemoteStatus.COMPLETED)
    scene.poller.poll("ionq")
    assert token in scene.workflows.answers


def test_a_step_with_nothing_left_to_do_fails_no_job(scene):
    job = scene.at_provider(RemoteStatus.RUNNING)
    scene.fail_by(job, JobOverError(job.id))
    assert scene.now(job).status is JobStatus.RUNNING


def test_a_fetch_that_comes_too_early_is_repeated_later(scene):
    job = scene.at_provider(RemoteStatus.RUNNING)
    with pytest.raises(UnavailableError):
        scene.handover.fetch(job.reference)


# --- Two at the same moment ---


def test_a_look_that_was_overtaken_takes_nothing_back(scene):
    job = scene.at_provider(RemoteStatus.RUNNING)
    observe = scene.store.observe

    def overtaken(*args):
        scene.store.observe = observe
        scene.provider.become("remote-1", RemoteStatus.COMPLETED)
        scene.poller.poll("ionq")
        scene.handover.fetch(job.reference)
        return observe(*args)

    scene.store.observe = overtaken
    scene.provider.become("remote-1", RemoteStatus.RUNNING, "running still")
    assert scene.poller.poll("ionq").changed == 0
    assert scene.now(job).remote.status is RemoteStatus.COMPLETED
    once = scene.now(job).cost_so_far
    scene.handover.fetch(job.reference)
    assert scene.now(job).cost_so_far == once


def test_two_tries_to_fetch_at_the_same_moment_charge_once(scene):
    job = scene.at_provider(RemoteStatus.COMPLETED)
    fetch = scene.provider.fetch

    def slow(*args, **asked):
        scene.provider.fetch = fetch
        scene.handover.fetch(job.reference)
        return fetch(*args, **asked)

    scene.provider.fetch = slow
    scene.handover.fetch(job.reference)
    events = [event.type for event in scene.store.events(job.id)]
    assert events.count("run.fetched") == 1


def test_two_tries_to_submit_at_the_same_moment_hand_the_job_in_once(scene):
    job = scene.begin()
    hand_over = scene.store.hand_over

    def overtaken(*args):
        scene.store.hand_over = hand_over
        scene.submit_step(job)
        return hand_over(*args)

    scene.store.hand_over = overtaken
    scene.submit_step(job)
    assert scene.provider.tags == {job.id: ["remote-1"]}
    assert scene.provider.stopped == []


def test_a_try_that_finds_another_one_handing_over_comes_back_later(scene):
    job = scene.begin()
    submit = scene.provider.submit

    def slow(*args, **asked):
        scene.provider.submit = submit
        stale = scene.store.get
        scene.store.get = lambda *_: job  # as it was before the first try
        hand_over = scene.store.hand_over

        def refused(*args):
            scene.store.get, scene.store.hand_over = stale, hand_over
            return hand_over(*args)

        scene.store.hand_over = refused
        with pytest.raises(UnavailableError, match="handing the job over"):
            scene.submit_step(job)
        return submit(*args, **asked)

    scene.provider.submit = slow
    scene.submit_step(job)
    assert scene.provider.tags == {job.id: ["remote-1"]}
    assert scene.remote_id(job) == "remote-1"


def test_a_job_that_is_cancelled_while_it_is_handed_over_is_stopped_there(scene):
    job = scene.begin()
    cancel = scene.store.cancel

    def overtaken(*args, **how):
        scene.store.cancel = cancel
        scene.submit_step(job)
        return cancel(*args, **how)

    scene.store.cancel = overtaken
    assert scene.jobs.cancel(ALICE, job.id).status is JobStatus.RUNNING
    scene.poller.poll("ionq")
    assert scene.provider.stopped == ["remote-1"]


# --- A cancel that comes before anybody knows whether the job arrived ---


def test_a_cancelled_job_that_never_arrived_is_not_handed_in(scene):
    job = scene.begin()
    scene.provider.faults = ["away"]
    with pytest.raises(UnavailableError):
        scene.submit_step(job)
    scene.jobs.cancel(ALICE, job.id)
    with pytest.raises(JobOverError):
        scene.submit_step(job)
    assert scene.provider.tags == {}
    assert scene.now(job).status is JobStatus.CANCELLED
    assert scene.now(job).actual_cost < Money.of("0.01")


def test_a_cancelled_job_that_did_arrive_is_stopped(scene):
    job = scene.begin()
    scene.provider.faults = ["lost"]
    with pytest.raises(UnavailableError):
        scene.submit_step(job)
    scene.jobs.cancel(ALICE, job.id)
    scene.submit_step(job)
    scene.poller.poll("ionq")
    assert scene.provider.stopped == ["remote-1"]
    scene.poller.poll("ionq")
    with pytest.raises(JobOverError):
        scene.handover.fetch(job.reference)
    assert scene.now(job).status is JobStatus.CANCELLED
    assert scene.now(job).actual_cost < Money.of("0.01")


# --- What the provider asks ---


@pytest.mark.parametrize("engine", ["ionq", "ibm", "braket"])
def test_a_job_that_failed_at_its_provider_pays_where_failures_are_billed(scene, engine):
    job = scene.at_provider(RemoteStatus.RUNNING)
    scene.store.observe(scene.now(job), scene.now(job).remote.model_copy(update={"engine": engine}))
    scene.provider.become("remote-1", RemoteStatus.FAILED)
    scene.poller.poll(engine)
    with pytest.raises(StepFailedError):
        scene.handover.fetch(job.reference)
    done = scene.fetch_failing(job)  # again, for the first answer was lost
    assert done.error.code == "PROVIDER_JOB_FAILED"
    assert (done.actual_cost >= PRICE) is (engine == "ibm")
    assert done.actual_cost < PRICE + Money.of("0.01")


def test_of_tasks_of_which_one_failed_the_others_are_paid(scene):
    job = scene.at_provider(RemoteStatus.RUNNING)
    failed = scene.provider.states_there["remote-1"].model_copy(
        update={"status": RemoteStatus.FAILED, "completed": 0.9}
    )
    scene.provider.states_there["remote-1"] = failed
    scene.poller.poll("ionq")
    assert Money.of("0.9") <= scene.fetch_failing(job).actual_cost < Money.of("0.91")


def test_a_completed_job_whose_result_is_refused_is_paid(scene):
    job = scene.at_provider(RemoteStatus.COMPLETED)

    def refuse(*_, **__):
        raise ExecutionError("PROVIDER_NO_RESULT", "one of the circuits failed")

    scene.provider.fetch = refuse
    assert scene.fetch_failing(job).actual_cost >= PRICE
    assert scene.now(job).remote.billed


def test_a_fetch_that_is_given_up_is_paid(scene):
    job = scene.at_provider(RemoteStatus.COMPLETED)
    scene.provider.faults = ["away"]
    with pytest.raises(UnavailableError) as raised:
        scene.handover.fetch(job.reference)
    scene.fail_by(job, raised.value)
    assert scene.now(job).error.code == "PROVIDER_UNAVAILABLE"
    assert scene.now(job).actual_cost >= PRICE


@pytest.mark.parametrize(("there", "paid"), [(RemoteStatus.QUEUED, False), (RemoteStatus.RUNNING, True)])
def test_a_job_that_others_stopped_at_its_provider_is_paid_where_it_began(scene, there, paid):
    job = scene.at_provider(there, RemoteStatus.CANCELLED)
    assert (scene.fetch_failing(job).actual_cost >= PRICE) is paid


@pytest.mark.parametrize(("there", "paid"), [(RemoteStatus.QUEUED, False), (RemoteStatus.RUNNING, True)])
def test_a_submission_that_is_given_up_is_paid_where_it_began(scene, there, paid):
    job = scene.begin()
    scene.provider.faults = ["lost"]
    with pytest.raises(UnavailableError) as raised:
        scene.submit_step(job)
    scene.provider.become("remote-1", there)
    scene.handover.withdraw(job.reference)
    scene.fail_by(job, raised.value)
    assert scene.provider.stopped == ["remote-1"]
    assert (scene.now(job).actual_cost >= PRICE) is paid


def test_a_job_that_waits_after_all_pays_nothing_for_having_been_unknown(scene):
    job = scene.at_provider(RemoteStatus.UNKNOWN, RemoteStatus.QUEUED)
    scene.jobs.cancel(ALICE, job.id)
    scene.poller.poll("ionq")
    scene.poller.poll("ionq")
    with pytest.raises(JobOverError):
        scene.handover.fetch(job.reference)
    assert scene.now(job).actual_cost < Money.of("0.01")


# --- In any order ---


class AnyOrder(RuleBasedStateMachine):
    """Steps repeated, answers lost, cancels, crashes: whatever comes, each job is at its provider once."""

    @initialize()
    def open(self):
        self.folder = tempfile.TemporaryDirectory()
        self.scene = Remotely(Path(self.folder.name) / "r.db")
        self.jobs = {}

    def teardown(self):
        if hasattr(self, "folder"):
            self.finish_all()
            self.folder.cleanup()

    def open_jobs(self):
        return [job for job in self.jobs.values() if not self.scene.now(job).status.final]

    @precondition(lambda self: len(self.jobs) < 4)
    @rule()
    def begin(self):
        job = self.scene.begin()
        self.jobs[job.id] = job

    @precondition(lambda self: self.open_jobs())
    @rule(data=st.data(), fault=st.sampled_from(["", "away", "lost"]))
    def hand_over(self, data, fault):
        job = data.draw(st.sampled_from(self.open_jobs()))
        self.scene.provider.faults = [fault] if fault else []
        with suppress(UnavailableError, JobOverError):
            self.scene.submit_step(self.scene.now(job))
        self.scene.provider.faults = []

    @precondition(lambda self: self.scene.provider.states_there)
    @rule(data=st.data(), status=st.sampled_from(list(RemoteStatus)))
    def go_on_there(self, data, status):
        remote_id = data.draw(st.sampled_from(sorted(self.scene.provider.states_there)))
        if not self.scene.provider.states_there[remote_id].status.final:
            self.scene.provider.become(remote_id, status)

    @rule(away=st.booleans(), seconds=st.sampled_from([1, 700]))
    def poll(self, away, seconds):
        self.scene.clock.turn(seconds)
        self.scene.provider.faults = ["away"] if away else []
        self.scene.poller.poll("ionq")
        self.scene.provider.faults = []

    @precondition(lambda self: self.open_jobs())
    @rule(data=st.data())
    def cancel(self, data):
        self.scene.jobs.cancel(ALICE, data.draw(st.sampled_from(self.open_jobs())).id)

    @precondition(lambda self: self.open_jobs())
    @rule(data=st.data(), crash=st.booleans())
    def go_on_here(self, data, crash):
        job = self.scene.now(data.draw(st.sampled_from(self.open_jobs())))
        if job.remote is None or not job.remote.status.final:
            return
        self.end(job, crash=crash)

    def end(self, job, *, crash=False):
        scene = self.scene
        try:
            scene.handover.fetch(job.reference)
            if crash:
                scene.handover.fetch(job.reference)
            scene.final.collect(job.reference)
        except JobOverError:
            pass
        except StepFailedError as problem:
            cause = json.dumps({"errorType": "StepFailedError", "errorMessage": str(problem)})
            scene.final.fail(job.reference, StepFailure(Error="StepFailedError", Cause=cause))

    def finish_all(self):
        scene = self.scene
        for job in self.open_jobs():
            if scene.now(job).remote is None or scene.remote_id(job) is None:
                with suppress(JobOverError):  # it was cancelled, and never arrived
                    scene.submit_step(scene.now(job))
                if scene.now(job).status.final:
                    continue
            remote_id = scene.remote_id(job)
            if not scene.provider.states_there[remote_id].status.final:
                scene.provider.become(remote_id, RemoteStatus.COMPLETED)
            scene.poller.poll("ionq")
            self.end(scene.now(job))
        for job in self.jobs.values():
            done = scene.now(job)
            assert done.status.final
            there = [scene.provider.states_there[each].status for each in scene.provider.tags.get(job.id, [])]
            if done.status is JobStatus.FAILED:
                assert there == [RemoteStatus.FAILED] or there == [RemoteStatus.CANCELLED]
            if done.status is JobStatus.COMPLETED:
                assert there == [RemoteStatus.COMPLETED]
        assert scene.books.reserved == Money()
        spent = sum((scene.now(job).actual_cost for job in self.jobs.values()), Money())
        assert scene.books.spent == spent

    @invariant()
    def handed_in_once(self):
        if hasattr(self, "scene"):
            assert all(len(ids) == 1 for ids in self.scene.provider.tags.values())


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_jobs_at_a_provider_leave_the_room_here_to_others(scene):
    first, second = scene.begin(), None
    waiting = scene.store.get(ALICE.organization_id, scene.submit(backend="aer").job_id)
    assert scene.store.start(waiting, at_most_running=9, at_most_in_all=1) is None
    scene.submit_step(first)
    second = scene.store.start(waiting, at_most_running=9, at_most_in_all=1)
    assert second is not None
    scene.provider.become("remote-1", RemoteStatus.COMPLETED)
    scene.poller.poll("ionq")  # what comes back needs no room
    scene.handover.fetch(first.reference)
    scene.final.collect(first.reference)
    third = scene.store.get(ALICE.organization_id, scene.submit(backend="aer").job_id)
    assert scene.store.start(third, at_most_running=9, at_most_in_all=1) is None
    scene.store.cancel(second)
    assert scene.store.start(third, at_most_running=9, at_most_in_all=1) is not None
