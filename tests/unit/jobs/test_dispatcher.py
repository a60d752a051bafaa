from concurrent.futures import ThreadPoolExecutor

import pytest

from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Organization, OrganizationSettings
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.jobs.dispatcher import Dispatcher
from ketbase.jobs.types import JobStatus, Priority
from ketbase.ledger.types import Budget, BudgetAlert, Charge
from ketbase.money import Money
from tests.fakes import FakeWorkflows, TurnedClock, books, job_store, new_job


@pytest.fixture
def store(tmp_path):
    clock = TurnedClock()
    return job_store(SqliteRecords(tmp_path / "r.db", clock), clock)


@pytest.fixture
def workflows():
    return FakeWorkflows()


def dispatcher(store, workflows, own=10, in_all=100):
    records, clock = store._records, store._clock
    return Dispatcher(
        store,
        AccountStore(records),
        books(records, clock),
        workflows,
        clock,
        at_most_running=own,
        at_most_in_all=in_all,
    )


def test_high_priority_starts_before_what_was_submitted_earlier(store, workflows):
    jobs = [store.submit(new_job(store._clock, priority=p), None, "") for p in ("low", "normal", "high")]
    started = dispatcher(store, workflows, own=1).dispatch()
    assert [job.id for job in started] == [jobs[2].id]
    assert jobs[2].priority is Priority.HIGH


def test_jobs_over_the_organisations_limit_wait_and_start_when_one_ends(store, workflows):
    jobs = [store.submit(new_job(store._clock), None, "") for _ in range(3)]
    dispatch = dispatcher(store, workflows, own=2).dispatch
    first, _second = dispatch()
    assert dispatch() == []
    assert store.get("org_a", jobs[2].id).status is JobStatus.QUEUED
    store.complete(first, "done", {})
    assert [job.id for job in dispatch()] == [jobs[2].id]


def test_an_organisation_with_many_jobs_delays_no_other(store, workflows):
    for _ in range(20):
        store.submit(new_job(store._clock, "org_a"), None, "")
    other = store.submit(new_job(store._clock, "org_b"), None, "")
    started = dispatcher(store, workflows, in_all=2).dispatch()
    assert other.id in [job.id for job in started]
    assert len(started) == 2


def test_every_started_job_has_its_workflow_with_references_only(store, workflows):
    job = store.submit(new_job(store._clock), None, "")
    dispatcher(store, workflows).dispatch()
    assert workflows.payloads == {f"{job.id}-1": {"organization_id": "org_a", "job_id": job.id}}


def test_nothing_starts_where_nothing_may_run(store, workflows):
    store.submit(new_job(store._clock), None, "")
    assert dispatcher(store, workflows, in_all=0).dispatch() == []


def test_dispatchers_at_the_same_moment_start_each_job_once_and_keep_the_limits(store, workflows):
    for number in range(30):
        store.submit(new_job(store._clock, f"org_{number % 3}"), None, "")
    with ThreadPoolExecutor(8) as pool:
        rounds = [pool.submit(dispatcher(store, workflows, own=5, in_all=12).dispatch) for _ in range(8)]
    started = [job.id for done in rounds for job in done.result()]
    assert len(started) == len(set(started)) == 12
    assert len(list(store.running())) == 12


def test_only_organisations_with_waiting_jobs_are_looked_at(store, workflows):
    store.submit(new_job(store._clock), None, "")
    dispatcher(store, workflows).dispatch()
    assert store.waiting_organizations() == []
    store.submit(new_job(store._clock), None, "")
    assert store.waiting_organizations() == ["org_a"]


def test_a_job_that_the_index_does_not_show_yet_is_waited_for(store, workflows):
    job = store.submit(new_job(store._clock), None, "")
    shown, looks = store.next_waiting, []
    store.next_waiting = lambda *asked: shown(*asked) if looks.append(1) or len(looks) > 2 else []
    assert [started.id for started in dispatcher(store, workflows).dispatch()] == [job.id]


def test_an_organisations_own_lower_limit_holds(store, workflows):
    now = store._clock.now()
    own = Organization(
        id="org_a",
        name="A",
        settings=OrganizationSettings(max_concurrent_jobs=1),
        created_at=now,
        updated_at=now,
    )
    store._records.write(AccountStore(store._records).new_organization(own))
    jobs = [store.submit(new_job(store._clock), None, "") for _ in range(2)]
    assert [job.id for job in dispatcher(store, workflows).dispatch()] == [jobs[0].id]
    assert [job.id for job in dispatcher(store, workflows, own=0).dispatch()] == []


def test_no_job_of_an_organisation_that_is_being_erased_starts(store, workflows):
    now = store._clock.now()
    accounts = AccountStore(store._records)
    own = Organization(id="org_a", name="A", created_at=now, updated_at=now)
    store._records.write(accounts.new_organization(own))
    store.submit(new_job(store._clock), None, "")
    store._records.write(accounts.mark_deleted(accounts.kept_organization("org_a"), now))
    assert dispatcher(store, workflows).dispatch() == []


def test_an_alert_that_pauses_jobs_lets_none_start_until_the_limit_is_raised(store, workflows):
    books_of = books(store._records, store._clock)
    alert = BudgetAlert(threshold=50, action="pause_jobs")

    def limit(dollars):
        budget = Budget(monthly_limit=Money.of(dollars), alerts=(alert,))
        store._records.write(*books_of.budget_writes("org_a", budget))

    limit("1.00")
    spender, waiting = (
        store.submit(new_job(store._clock, reserved_cost=Money.of("0.50")), None, "") for _ in range(2)
    )
    spender = store.start(spender, at_most_running=1, at_most_in_all=9)
    store.complete(spender, "", {}, Charge(amount=Money.of("0.50")))
    assert dispatcher(store, workflows).dispatch() == []
    limit("1.01")
    assert [job.id for job in dispatcher(store, workflows).dispatch()] == [waiting.id]
