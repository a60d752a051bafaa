"""Ended jobs are forgotten when their time is over, and no total tells otherwise."""

from datetime import timedelta

import pytest

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.jobs import layout
from ketbase.jobs.purge import JobPurge
from ketbase.jobs.types import JobError, JobStatus
from tests.fakes import TurnedClock, job_store, new_job

KEEP = timedelta(days=90)
DAY_S = 86_400


@pytest.fixture
def clock():
    return TurnedClock()


@pytest.fixture
def records(tmp_path, clock):
    return SqliteRecords(tmp_path / "r.db", clock)


@pytest.fixture
def store(records, clock):
    return job_store(records, clock)


@pytest.fixture
def purge(records, clock):
    return JobPurge(records, clock, keep=KEEP)


def ended(store, clock, status=JobStatus.CANCELLED, organization="org_a"):
    job = store.submit(new_job(clock, organization), None, "")
    if status is JobStatus.CANCELLED:
        return store.cancel(job)
    started = store.start(job, at_most_running=10, at_most_in_all=10)
    if status is JobStatus.FAILED:
        return store.fail(started, JobError(code="X", message="x"))
    return store.complete(started, "done", {})


def listed(store, organization="org_a"):
    return [job.id for job in store.walk(organization, (), after=None, descending=False)]


@pytest.mark.parametrize("status", [status for status in JobStatus if status.final])
def test_a_job_is_kept_for_its_time_and_then_forgotten_with_its_events(store, clock, records, purge, status):
    job = ended(store, clock, status)
    clock.turn(90 * DAY_S)
    assert purge.purge(60).jobs == 0
    assert store.get("org_a", job.id) == job
    clock.turn(1)
    assert purge.purge(60).jobs == 1
    assert store.get("org_a", job.id) is None
    assert store.events(job.id) == []
    assert records.count(layout.events(job.id)) == 0


def test_totals_are_those_of_the_lists_before_and_after(store, clock, purge):
    for _day in range(4):
        for status in (JobStatus.CANCELLED, JobStatus.FAILED, JobStatus.COMPLETED):
            ended(store, clock, status)
            ended(store, clock, status, "org_b")
        clock.turn(DAY_S)
    clock.turn(88 * DAY_S)
    assert purge.purge(60).jobs == 2 * 3 * 2
    for organization in ("org_a", "org_b"):
        assert store.count(organization, ()) == len(listed(store, organization)) == 6
        assert store.count(organization, [JobStatus.FAILED]) == 2


def test_what_waits_or_runs_is_never_forgotten(store, clock, purge):
    waiting = store.submit(new_job(clock), None, "")
    store.start(store.submit(new_job(clock), None, ""), at_most_running=10, at_most_in_all=10)
    clock.turn(1_000 * DAY_S)
    assert purge.purge(60).jobs == 0
    assert waiting.id in listed(store)


def test_the_time_counts_from_the_end_and_not_from_the_submission(store, clock, purge):
    job = store.submit(new_job(clock), None, "")
    clock.turn(80 * DAY_S)
    store.cancel(job)
    clock.turn(80 * DAY_S)
    assert purge.purge(60).jobs == 0
    clock.turn(11 * DAY_S)
    assert purge.purge(60).jobs == 1


def test_a_purge_killed_after_the_events_goes_on_with_the_job(store, clock, records, purge):
    job = ended(store, clock)
    clock.turn(91 * DAY_S)
    write, done = records.write, []

    def deadly(*writes):
        if done:
            raise KeyboardInterrupt
        done.append(writes)
        write(*writes)

    records.write = deadly
    with pytest.raises(KeyboardInterrupt):
        purge.purge(60)
    records.write = write
    assert store.get("org_a", job.id) is not None
    assert purge.purge(60).jobs == 1
    assert store.count("org_a", ()) == 0


def test_two_purges_count_a_job_once(store, clock, purge, monkeypatch):
    ended(store, clock)
    clock.turn(91 * DAY_S)
    due = list(purge._due())
    assert purge.purge(60).jobs == 1
    assert purge._forget(due[0]) is False
    assert store.count("org_a", ()) == 0
