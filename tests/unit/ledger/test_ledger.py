"""A job's ceiling is set aside when it is submitted and settled when it ends, and no limit is ever passed."""

from datetime import UTC, datetime

import pytest

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.errors import BudgetError
from ketbase.jobs.types import JobError, Progress
from ketbase.ledger import entries, layout
from ketbase.ledger.types import Budget, BudgetAlert, Charge, CostEvent
from ketbase.money import Money
from tests.fakes import TurnedClock, books, job_store, new_job


class Scene:
    def __init__(self, path, limit="1.00"):
        self.clock = TurnedClock()
        self.records = SqliteRecords(path, self.clock)
        self.ledger = books(self.records, self.clock, limit)
        self.store = job_store(self.records, self.clock, limit)

    def submit(self, reserved="0.30", estimated="0.10", **fields):
        job = new_job(self.clock, reserved_cost=Money.of(reserved), estimated_cost=Money.of(estimated), **fields)
        return self.store.submit(job, None, "")

    def started(self, *args, **fields):
        return self.store.start(self.submit(*args, **fields), at_most_running=99, at_most_in_all=99)

    def set_budget(self, limit, *alerts):
        budget = Budget(monthly_limit=Money.of(limit), alerts=alerts)
        self.records.write(*self.ledger.budget_writes("org_a", budget))

    @property
    def standing(self):
        account = self.ledger.standing("org_a")
        return str(account.spent), str(account.reserved), str(account.remaining)

    def events(self):
        page = self.records.query(layout.events("org_a"))
        return [CostEvent.model_validate(item.values) for item in page.items]


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path / "r.db")


def used(amount, **what):
    return Charge(amount=Money.of(amount), **what)


def test_a_submission_sets_its_ceiling_aside(scene):
    scene.submit("0.30")
    assert scene.standing == ("0.00", "0.30", "0.70")


def test_a_completed_job_costs_what_it_used_and_the_rest_is_free_again(scene):
    job = scene.started("0.30")
    job = scene.store.report(job, "run.executed", "", Progress(), used("0.04", circuits=1, shots=100))
    done = scene.store.complete(job, "", {}, used("0.01", compute_ms=1_500))
    assert done.actual_cost == Money.of("0.05")
    assert scene.standing == ("0.05", "0.00", "0.95")
    (event,) = scene.events()
    assert (event.amount, event.reserved, event.estimated) == tuple(map(Money.of, ("0.05", "0.30", "0.10")))
    assert (event.circuits, event.shots, event.compute_ms) == (1, 100, 1_500)


def test_a_charge_counts_although_the_job_got_another_event_meanwhile(scene):
    job = scene.started("0.30")
    scene.store.report(job, "run.compiled", "", Progress(), used("0.01"))
    scene.store.report(job, "run.executed", "", Progress(), used("0.02"))
    assert scene.store.get("org_a", job.id).cost_so_far == Money.of("0.03")


def test_no_job_costs_more_than_was_reserved(scene):
    job = scene.started("0.30")
    done = scene.store.complete(job, "", {}, used("0.31"))
    assert done.actual_cost == Money.of("0.30")
    assert scene.standing == ("0.30", "0.00", "0.70")


def test_the_books_refuse_a_settlement_above_the_reservation(scene):
    job = scene.started("0.30")
    event = CostEvent(
        **{name: getattr(job, name) for name in ("organization_id", "user_id", "key_id", "backend", "month")},
        job_id=job.id, event_type="run", estimated=Money(), reserved=job.reserved_cost,
        amount=Money.of("0.31"), circuits=0, shots=0, compute_ms=0, created_at=scene.clock.now(),
    )  # fmt: skip
    with pytest.raises(ValueError, match="more than the reserved"):
        entries.settle(job.reservation, event)


def test_a_waiting_job_that_is_cancelled_costs_nothing(scene):
    scene.store.cancel(scene.submit("0.30"))
    assert scene.standing == ("0.00", "0.00", "1.00")


def test_a_running_job_that_is_cancelled_or_fails_costs_what_it_used(scene):
    for end in (scene.store.cancel, lambda job: scene.store.fail(job, JobError(code="X", message="x"))):
        job = scene.store.report(scene.started("0.30"), "run.compiled", "", Progress(), used("0.02"))
        assert end(job).actual_cost == Money.of("0.02")
    assert scene.standing == ("0.04", "0.00", "0.96")


def test_a_job_that_starts_again_keeps_its_reservation_and_what_it_used(scene):
    job = scene.store.report(scene.started("0.30"), "run.compiled", "", Progress(), used("0.02"))
    again = scene.store.requeue(job, "its run died")
    assert scene.standing == ("0.00", "0.30", "0.70")
    assert again.cost_so_far == Money.of("0.02")


def test_a_submission_beyond_the_limit_is_refused_and_keeps_nothing(scene):
    for _ in range(3):
        scene.submit("0.30")
    with pytest.raises(BudgetError) as refused:
        scene.submit("0.30")
    assert refused.value.code == "BUDGET_EXCEEDED"
    assert refused.value.details["remaining"] == "0.10"
    assert scene.standing == ("0.00", "0.90", "0.10")
    assert scene.store.count("org_a", []) == 3


def test_a_job_may_take_exactly_what_is_left(scene):
    scene.submit("0.99")
    scene.submit("0.01")
    assert scene.standing == ("0.00", "1.00", "0.00")


def test_a_higher_limit_lets_jobs_in_at_once_and_a_lower_one_keeps_them_out(scene):
    scene.submit("0.90")
    scene.set_budget("5.00")
    scene.submit("4.00")
    scene.set_budget("2.00")
    assert scene.standing == ("0.00", "4.90", "0.00")
    with pytest.raises(BudgetError):
        scene.submit("0.01")


def test_a_limit_that_changes_between_the_reading_and_the_write_counts(scene):
    hold = scene.ledger.hold(new_job(scene.clock, reserved_cost=Money.of("0.90")).reservation)
    scene.set_budget("0.50")
    from ketbase.ports.records import ConditionFailedError

    with pytest.raises(ConditionFailedError):
        scene.records.write(*hold)


def test_users_and_keys_have_limits_of_their_own_below_the_organisations(scene):
    scene.records.write(*scene.ledger.limit_writes("org_a", "user_1", Money.of("0.50")))
    scene.records.write(*scene.ledger.limit_writes("org_a", "key_1", Money.of("0.20")))
    scene.submit("0.20", user_id="user_1", key_id="key_1")
    with pytest.raises(BudgetError) as refused:
        scene.submit("0.10", user_id="user_1", key_id="key_1")
    assert refused.value.details["whose"] == "key"
    scene.submit("0.30", user_id="user_1")
    with pytest.raises(BudgetError) as refused:
        scene.submit("0.10", user_id="user_1", key_id="key_2")
    assert refused.value.details["whose"] == "user"
    scene.submit("0.10", user_id="user_2", key_id="key_3")
    scene.records.write(*scene.ledger.limit_writes("org_a", "user_1", None))
    scene.submit("0.10", user_id="user_1", key_id="key_2")
    assert scene.ledger.standing_of("org_a", "user_1").limit is None
    assert scene.ledger.standing_of("org_a", "user_1").reserved == Money.of("0.60")


def test_a_month_begins_with_the_whole_limit_and_the_old_one_pays_for_its_jobs(scene):
    scene.set_budget("1.00")
    job = scene.started("0.80")
    january = scene.ledger.month
    scene.clock.moment = datetime(2026, 2, 1, 0, 0, 1, tzinfo=UTC)
    scene.submit("0.90")
    scene.store.complete(job, "", {}, used("0.30"))
    assert scene.standing == ("0.00", "0.90", "0.10")
    assert scene.ledger.standing("org_a", january).spent == Money.of("0.30")
    assert scene.ledger.standing("org_a", january).reserved == Money()
    assert scene.events()[0].month == "2026-01"


def test_a_job_that_needs_more_asks_for_it_and_is_refused_beyond_the_limit(scene):
    job = scene.started("0.30")
    job = scene.store.extend(job, Money.of("0.50"))
    assert job.reserved_cost == Money.of("0.80")
    with pytest.raises(BudgetError):
        scene.store.extend(job, Money.of("0.30"))
    assert scene.standing == ("0.00", "0.80", "0.20")
    scene.store.complete(job, "", {}, used("0.70"))
    assert scene.standing == ("0.70", "0.00", "0.30")


def test_an_alert_stops_new_jobs_until_the_limit_is_raised(scene):
    scene.set_budget("1.00", BudgetAlert(threshold=50, action="pause_new_jobs"))
    scene.store.complete(scene.started("0.50"), "", {}, used("0.50"))
    with pytest.raises(BudgetError) as refused:
        scene.submit("0.01")
    assert refused.value.code == "JOBS_PAUSED"
    assert not scene.ledger.pauses_waiting_jobs("org_a")
    scene.set_budget("2.00", BudgetAlert(threshold=50, action="pause_new_jobs"))
    scene.submit("0.01")


def test_an_alert_that_pauses_jobs_holds_back_the_waiting_ones_too(scene):
    scene.set_budget("1.00", BudgetAlert(threshold=80, action="pause_jobs"))
    scene.submit("0.10")
    scene.store.complete(scene.started("0.79"), "", {}, used("0.79"))
    assert not scene.ledger.pauses_waiting_jobs("org_a")
    scene.store.complete(scene.started("0.01"), "", {}, used("0.01"))
    assert scene.ledger.pauses_waiting_jobs("org_a")
    scene.set_budget("1.00")
    assert not scene.ledger.pauses_waiting_jobs("org_a")


def test_one_organisations_jobs_are_not_in_anothers_books(scene):
    scene.submit("0.90", organization="org_b")
    assert scene.standing == ("0.00", "0.00", "1.00")
    assert [standing.id for standing in scene.ledger.standings(scene.ledger.month)] == ["org_b"]


def test_a_limit_that_was_set_while_a_month_began_holds_in_that_month(scene):
    scene.set_budget("1.00")
    late = scene.ledger.budget_writes("org_a", Budget(monthly_limit=Money.of("0.10")))
    scene.clock.moment = datetime(2026, 2, 1, tzinfo=UTC)
    scene.submit("0.05")
    scene.records.write(*late)
    with pytest.raises(BudgetError):
        scene.submit("0.10")
    scene.submit("0.05")
    assert scene.standing == ("0.00", "0.10", "0.00")


def test_a_key_that_is_gone_reserves_nothing_more(scene):
    scene.submit("0.10", key_id="key_1")
    scene.records.write(*scene.ledger.closing_writes("org_a", "key_1"))
    with pytest.raises(BudgetError):
        scene.submit("0.10", key_id="key_1")
    scene.submit("0.10")
