from datetime import timedelta

import pytest

from ketbase.accounts.store import AccountStore
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.jobs.dispatcher import Dispatcher
from ketbase.jobs.sweeper import MAX_ATTEMPTS, Patience, Sweeper
from ketbase.jobs.types import Hold, JobStatus, Progress
from ketbase.money import Money
from ketbase.ports.workflows import ExecutionStatus
from tests.fakes import FakeDoorbell, FakeWorkflows, TurnedClock, books, job_store, new_job


class Scene:
    def __init__(self, path):
        self.clock = TurnedClock()
        self.store = job_store(SqliteRecords(path, self.clock), self.clock)
        self.workflows = FakeWorkflows()
        self.doorbell = FakeDoorbell()
        records = self.store._records
        self.dispatch = Dispatcher(
            self.store,
            AccountStore(records),
            books(records, self.clock),
            self.workflows,
            self.clock,
            at_most_running=9,
            at_most_in_all=9,
        ).dispatch
        self.sweep = Sweeper(
            self.store,
            self.workflows,
            self.doorbell,
            self.clock,
            Patience(grace=timedelta(seconds=60), deadline=timedelta(hours=1)),
        ).sweep

    def submit(self):
        return self.store.submit(new_job(self.clock), None, "")

    def status(self, job):
        return self.store.get(job.organization_id, job.id).status


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path / "r.db")


def test_a_healthy_job_is_left_alone(scene):
    job = scene.submit()
    scene.dispatch()
    scene.clock.turn(120)
    swept = scene.sweep()
    assert (swept.resumed, swept.requeued, swept.failed) == ((), (), ())
    assert scene.status(job) is JobStatus.RUNNING


def test_a_job_whose_dispatcher_died_before_the_workflow_began_gets_its_workflow(scene):
    job = scene.submit()
    started = scene.store.start(job, at_most_running=9, at_most_in_all=9)
    scene.clock.turn(120)
    assert scene.sweep().resumed == (job.id,)
    assert scene.workflows.executions == {started.execution: ExecutionStatus.RUNNING}


def test_a_job_that_started_a_moment_ago_is_not_touched(scene):
    scene.store.start(scene.submit(), at_most_running=9, at_most_in_all=9)
    assert scene.sweep().resumed == ()
    assert scene.workflows.executions == {}


def test_a_job_whose_workflow_died_is_queued_again_and_fails_after_the_last_attempt(scene):
    job = scene.submit()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        scene.dispatch()
        scene.workflows.executions[f"{job.id}-{attempt}"] = ExecutionStatus.FAILED
        scene.clock.turn(120)
        swept = scene.sweep()
        assert (swept.requeued or swept.failed) == (job.id,)
    last = scene.store.get("org_a", job.id)
    assert (last.status, last.error.code) == (JobStatus.FAILED, "JOB_DIED")


def begin_step(scene, job, *, in_container=False):
    hold = Hold(step="executing", since=scene.clock.now(), seconds=3_600.0, cost=Money(), stoppable=in_container)
    scene.store.hold(scene.store.get("org_a", job.id), hold, Progress())


def test_a_step_past_its_deadline_is_stopped_and_its_job_fails(scene):
    job = scene.submit()
    scene.dispatch()
    begin_step(scene, job)
    scene.clock.turn(3_700)
    assert scene.sweep().failed == (job.id,)
    assert scene.workflows.executions == {f"{job.id}-1": ExecutionStatus.STOPPED}
    assert scene.store.get("org_a", job.id).error.code == "JOB_TIMED_OUT"


def test_a_job_that_waited_for_a_container_has_all_of_its_time_there(scene):
    job = scene.submit()
    scene.dispatch()
    scene.clock.turn(12 * 3_600)
    assert scene.sweep().failed == ()
    begin_step(scene, job)
    scene.clock.turn(3_500)
    assert scene.sweep().failed == ()


def test_a_job_whose_container_died_may_wait_for_another_one(scene):
    job = scene.submit()
    scene.dispatch()
    begin_step(scene, job, in_container=True)
    scene.clock.turn(12 * 3_600)
    assert scene.sweep().failed == ()
    scene.clock.turn(timedelta(days=7).total_seconds())
    assert scene.sweep().failed == (job.id,)


def test_a_job_that_waits_for_its_next_step_for_ever_fails(scene):
    job = scene.submit()
    scene.dispatch()
    scene.clock.turn(timedelta(days=8).total_seconds())
    assert scene.sweep().failed == (job.id,)
    assert scene.store.get("org_a", job.id).error.message == "The job waited longer than 10080 minutes."


def test_each_sweep_rings_the_doorbell_in_case_a_ring_was_lost(scene):
    scene.sweep()
    assert scene.doorbell.rings == ["sweep"]


def test_a_job_that_cannot_be_repaired_holds_up_no_other(scene):
    first, second = scene.submit(), scene.submit()
    scene.dispatch()
    scene.clock.turn(120)
    healthy = scene.workflows.status

    def throttled(workflow, execution):
        if execution.startswith(first.id):
            raise RuntimeError("throttled")
        return healthy(workflow, execution)

    scene.workflows.status = throttled
    scene.workflows.executions[f"{second.id}-1"] = ExecutionStatus.FAILED
    assert scene.sweep().requeued == (second.id,)
    assert scene.doorbell.rings == ["sweep"]
