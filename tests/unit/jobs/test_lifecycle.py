"""Jobs against a model: whatever order things happen in, counts, queue and events tell one story."""

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.errors import ConflictError
from ketbase.jobs.types import Job, JobError, JobStatus, Priority, Progress
from tests.fakes import TurnedClock, job_store, new_job

ORGANIZATIONS = ("org_a", "org_b")
OWN_LIMIT, TOTAL_LIMIT = 2, 3


@pytest.fixture
def store(tmp_path):
    clock = TurnedClock()
    return job_store(SqliteRecords(tmp_path / "r.db", clock), clock)


class JobLifecycle(RuleBasedStateMachine):
    jobs = Bundle("jobs")

    def __init__(self):
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.clock = TurnedClock()
        self.store = job_store(SqliteRecords(Path(self._folder.name) / "r.db", self.clock), self.clock)
        self.model: dict[str, Job] = {}
        self.stale: dict[str, Job] = {}

    def teardown(self):
        self._folder.cleanup()

    @rule(target=jobs, organization=st.sampled_from(ORGANIZATIONS), priority=st.sampled_from(Priority))
    def submit(self, organization, priority):
        job = self.store.submit(new_job(self.clock, organization, priority), None, "")
        self.model[job.id] = self.stale[job.id] = job
        return job.id

    @rule(target=jobs, organization=st.sampled_from(ORGANIZATIONS), key=st.sampled_from(["k1", "k2"]))
    def submit_again(self, organization, key):
        job = self.store.submit(new_job(self.clock, organization), key, "same")
        if job.id in self.model:
            return multiple()
        self.model[job.id] = self.stale[job.id] = job
        return job.id

    @rule(job_id=jobs)
    def start(self, job_id):
        before = self.model[job_id]
        running = [job for job in self.model.values() if job.status is JobStatus.RUNNING]
        own = [job for job in running if job.organization_id == before.organization_id]
        allowed = before.status is JobStatus.QUEUED and len(own) < OWN_LIMIT and len(running) < TOTAL_LIMIT
        self.clock.turn(1)
        after = self.store.start(
            self._read(job_id, JobStatus.QUEUED), at_most_running=OWN_LIMIT, at_most_in_all=TOTAL_LIMIT
        )
        self._expect(job_id, after, JobStatus.RUNNING if allowed else None)

    @rule(job_id=jobs, end=st.sampled_from(["complete", "fail", "requeue", "report"]))
    def end(self, job_id, end):
        read = self._read(job_id, JobStatus.RUNNING)
        after = {
            "complete": lambda: self.store.complete(read, "done", {}),
            "fail": lambda: self.store.fail(read, JobError(code="X", message="x")),
            "requeue": lambda: self.store.requeue(read, "died"),
            "report": lambda: self.store.report(read, "note", "n", Progress(percentage=1, step="s")),
        }[end]()
        to = {"complete": JobStatus.COMPLETED, "fail": JobStatus.FAILED, "requeue": JobStatus.QUEUED}
        runs = self.model[job_id].status is JobStatus.RUNNING
        self._expect(job_id, after, to.get(end, JobStatus.RUNNING) if runs else None)

    @rule(job_id=jobs)
    def cancel(self, job_id):
        before = self.model[job_id]
        after = self.store.cancel(before) if not before.status.final else None
        self._expect(job_id, after, None if before.status.final else JobStatus.CANCELLED)

    @invariant()
    def counts_are_those_of_the_model(self):
        for organization in ORGANIZATIONS:
            own = [job for job in self.model.values() if job.organization_id == organization]
            wanted = Counter(job.status for job in own)
            assert {s: self.store.count(organization, [s]) for s in JobStatus} == {s: wanted[s] for s in JobStatus}
            for status in JobStatus:
                listed = [job.id for job in self.store.walk(organization, [status], after=None, descending=False)]
                assert listed == sorted(job.id for job in own if job.status is status)
        running = {job.id for job in self.model.values() if job.status is JobStatus.RUNNING}
        assert {job.id for job in self.store.running()} == running

    @invariant()
    def the_queue_holds_the_waiting_jobs_in_order_of_priority_then_time(self):
        for organization in ORGANIZATIONS:
            waiting = [
                job
                for job in self.model.values()
                if job.organization_id == organization and job.status is JobStatus.QUEUED
            ]
            rank = [Priority.HIGH, Priority.NORMAL, Priority.LOW]
            wanted = sorted(waiting, key=lambda job: (rank.index(job.priority), job.id))
            queue = self.store.next_waiting(organization, 100)
            assert [job.id for job in queue] == [job.id for job in wanted]
            assert [self.store.position(job) for job in queue] == list(range(1, len(queue) + 1))
            assert (organization in self.store.waiting_organizations()) is bool(waiting)
        depth = sum(job.status is JobStatus.QUEUED for job in self.model.values())
        assert self.store.depth("aer") == depth

    @invariant()
    def events_have_no_gap_and_end_where_the_job_is(self):
        for job in self.model.values():
            events = self.store.events(job.id)
            assert [event.cursor for event in events] == list(range(1, job.events + 1))
            assert events[-1].data["status"] == job.status

    def _read(self, job_id, status):
        """The job as somebody may have read it: now, or when it was last in `status`."""
        job = self.model[job_id]
        return job if job.status is status else self.stale[job_id]

    def _expect(self, job_id, after, status):
        before = self.model[job_id]
        if status is None:
            assert after is None or before.status is after.status is JobStatus.RUNNING
            assert self.store.get(before.organization_id, job_id) == before
            return
        assert after is not None
        assert after.status is status
        if before.status is not status:
            self.stale[job_id] = before
        self.model[job_id] = after
        assert self.store.get(before.organization_id, job_id) == after


JobLifecycle.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_a_job_moves_only_along_its_lifecycle = JobLifecycle.TestCase


def test_a_key_used_for_another_request_is_refused(store):
    store.submit(new_job(store._clock), "key", "one request")
    with pytest.raises(ConflictError, match="used for another request"):
        store.submit(new_job(store._clock), "key", "another request")


def test_the_same_key_in_another_organisation_is_another_submission(store):
    first = store.submit(new_job(store._clock, "org_a"), "key", "x")
    second = store.submit(new_job(store._clock, "org_b"), "key", "x")
    assert first.id != second.id


def test_a_key_may_be_used_again_after_a_day(store):
    first = store.submit(new_job(store._clock), "key", "x")
    store._clock.turn(25 * 3_600)
    assert store.submit(new_job(store._clock), "key", "y").id != first.id


def test_a_job_is_seen_only_by_its_organisation(store):
    job = store.submit(new_job(store._clock, "org_a"), None, "")
    assert store.get("org_b", job.id) is None
    assert list(store.walk("org_b", [], after=None, descending=True)) == []
