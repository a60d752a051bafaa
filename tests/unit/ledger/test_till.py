"""What is charged at once stands in every book, and never takes an account past its limit."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ketbase.accounts.store import AccountStore
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.costs.reconciliation import Reconciler
from ketbase.costs.usage import UsageQuery, UsageReports
from ketbase.errors import BudgetError
from ketbase.ledger import layout
from ketbase.ledger.entries import cost_event
from ketbase.ledger.till import Bill, Till
from ketbase.ledger.types import PREDICTIONS, Budget, BudgetAlert, Charge
from ketbase.money import Money
from ketbase.ports.records import Absent, ConditionFailedError, Item, Key, Put, walk
from tests.fakes import ALICE, TurnedClock, books, job_store

ORG = ALICE.organization_id
CENT = Money.of("0.01")
MARK = Key("beside", "mark")


@pytest.fixture
def clock():
    return TurnedClock()


@pytest.fixture
def records(tmp_path, clock):
    return SqliteRecords(tmp_path / "records.db", clock)


def till_of(records, clock, limit="1"):
    ledger = books(records, clock, limit)
    return ledger, Till(ledger, records, clock)


def bill(thing="model_1", key_id="key_1", backend="aer"):
    return Bill(ORG, ALICE.user_id, key_id, thing, PREDICTIONS, backend, "This prediction costs")


def charge(amount=CENT, **counted):
    return Charge(amount=amount, compute_ms=3, **counted)


def events(records):
    return [cost_event(item.values) for item in walk(records, layout.events(ORG))]


def test_a_charge_is_spent_by_the_organisation_the_user_and_the_key(records, clock):
    ledger, till = till_of(records, clock)
    for _ in range(3):
        till.charge(bill(), charge())
    standings = [ledger.standing(ORG), *(ledger.standing_of(ORG, who) for who in (ALICE.user_id, "key_1"))]
    assert [(str(each.spent), str(each.reserved)) for each in standings] == [("0.03", "0.00")] * 3


def test_charges_of_a_day_grow_into_one_cost_event(records, clock):
    _, till = till_of(records, clock)
    for thing in ("model_1", "model_1", "model_2"):
        till.charge(bill(thing), charge(circuits=2, shots=100))
    till.charge(bill(key_id=None), charge())
    clock.turn(86_400)
    till.charge(bill(), charge())
    found = [(each.job_id, each.key_id, f"{each.created_at:%d}", str(each.amount)) for each in events(records)]
    assert found == [
        ("model_1", None, "01", "0.01"),
        ("model_1", "key_1", "01", "0.02"),
        ("model_2", "key_1", "01", "0.01"),
        ("model_1", "key_1", "02", "0.01"),
    ]
    grown = events(records)[1]
    assert (grown.circuits, grown.shots, grown.compute_ms, grown.jobs) == (4, 200, 6, 0)


def test_usage_shows_charges_as_no_jobs_page_by_page(records, clock):
    _, till = till_of(records, clock)
    for number in range(3):
        till.charge(bill(f"model_{number}"), charge())
    reports = UsageReports(records, clock)
    report = reports.report(ALICE, UsageQuery())
    assert (str(report.total_cost), report.total_jobs, report.breakdown_by_backend) == (
        "0.03",
        0,
        {"aer": CENT * 3},
    )
    first = reports.report(ALICE, UsageQuery(group_by="job", limit=2))
    rest = reports.report(ALICE, UsageQuery(group_by="job", limit=2, cursor=first.cursor))
    shown = (*first.breakdown_by_job, *rest.breakdown_by_job)
    assert ([each.job_id for each in shown], rest.cursor) == (["model_0", "model_1", "model_2"], None)


def test_the_reconciliation_finds_nothing_wrong_with_charges(records, clock):
    _, till = till_of(records, clock)
    organization = Item(
        Key(f"org#{ORG}", "organization"),
        {
            "id": ORG,
            "name": "Alice's",
            "created_at": "2025-01-01T00:00:00.000000Z",
            "updated_at": "2025-01-01T00:00:00.000000Z",
            "owners": 1,
            "revision": 1,
        },
    )
    records.write(Put(organization))
    till.charge(bill(), charge())
    till.charge(bill(), charge())
    jobs = job_store(records, clock)
    report = Reconciler(records, jobs, AccountStore(records), clock, jobs_kept=timedelta(days=90)).reconcile()
    assert (report.organizations, report.events, report.discrepancies) == (1, 1, ())


def test_a_charge_beyond_the_limit_is_refused_and_nothing_is_written(records, clock):
    ledger, till = till_of(records, clock, "0.02")
    till.charge(bill(), charge())
    till.charge(bill(), charge())
    with pytest.raises(BudgetError) as raised:
        till.charge(bill(), charge(), Put(Item(MARK, {})))
    assert raised.value.code == "BUDGET_EXCEEDED"
    assert raised.value.message.startswith("This prediction costs $0.01")
    assert records.get(MARK) is None
    assert str(ledger.standing(ORG).spent) == "0.02"


def test_many_at_once_never_take_an_account_past_its_limit(records, clock):
    ledger, _ = till_of(records, clock, "0.10")
    tills = [Till(ledger, records, clock) for _ in range(4)]

    def one(number):
        try:
            tills[number % 4].charge(bill(f"model_{number}"), charge())
        except BudgetError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(40))) == 10
    assert str(ledger.standing(ORG).spent) == "0.10"


def test_a_lower_limit_holds_at_once(records, clock):
    ledger, till = till_of(records, clock)
    till.charge(bill(), charge())
    records.write(*ledger.budget_writes(ORG, Budget(monthly_limit=CENT)))
    with pytest.raises(BudgetError):
        till.charge(bill(), charge())


def test_a_higher_limit_lets_more_in_at_once(records, clock):
    ledger, till = till_of(records, clock, "0.01")
    till.charge(bill(), charge())
    records.write(*ledger.budget_writes(ORG, Budget(monthly_limit=Money.of(5))))
    till.charge(bill(), charge())
    assert str(ledger.standing(ORG).spent) == "0.02"


def test_an_alert_that_stops_new_jobs_stops_predictions(records, clock):
    ledger, till = till_of(records, clock)
    alert = BudgetAlert(threshold=2, action="pause_new_jobs")
    records.write(*ledger.budget_writes(ORG, Budget(monthly_limit=Money.of(1), alerts=(alert,))))
    till.charge(bill(), charge())
    till.charge(bill(), charge())
    with pytest.raises(BudgetError) as raised:
        till.charge(bill(), charge())
    assert raised.value.code == "JOBS_PAUSED"


def test_a_condition_of_what_is_written_beside_is_told_apart(records, clock):
    ledger, till = till_of(records, clock)
    put = Put(Item(MARK, {}), (Absent(),))
    till.charge(bill(), charge(), put)
    with pytest.raises(ConditionFailedError) as raised:
        till.charge(bill(), charge(), put)
    assert raised.value.failed == (0,)
    assert str(ledger.standing(ORG).spent) == "0.01"


def test_a_new_month_pays_from_its_own_account(records, clock):
    ledger, till = till_of(records, clock, "0.01")
    till.charge(bill(), charge())
    clock.turn(31 * 86_400)
    till.charge(bill(), charge())
    assert [str(ledger.standing(ORG, month).spent) for month in ("2026-01", "2026-02")] == ["0.01", "0.01"]
