"""A usage report adds up what jobs cost, however it is grouped."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ketbase.accounts.types import Caller
from ketbase.costs import usage
from ketbase.costs.usage import UsageQuery, UsageReport, UsageReports
from ketbase.errors import InvalidError
from ketbase.money import Money
from tests.unit.costs.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.fixture
def spent(office: Office) -> Office:
    office.turn_to(datetime(2026, 1, 1, 10, tzinfo=UTC))
    office.spend("1", "user_dana", backend="aer", key_id="key_1", circuits=1, shots=100, compute_ms=1_500)
    office.spend("2", "user_adam", backend="fake_fez", circuits=2, shots=10)
    office.turn_to(datetime(2026, 1, 31, 23, 59, tzinfo=UTC))
    office.spend("4", "user_dana", backend="aer", circuits=1, shots=1)
    office.turn_to(datetime(2026, 2, 1, tzinfo=UTC))
    office.spend("8", "user_dana", backend="aer", circuits=1, shots=1)
    return office


def report(office: Office, **query: object) -> UsageReport:
    return UsageReports(office.records, office.clock).report(office.olga, UsageQuery.model_validate(query))


JANUARY = {"start_date": "2026-01-01", "end_date": "2026-01-31"}


def test_totals_are_of_the_days_asked_for_both_included(spent: Office) -> None:
    found = report(spent, **JANUARY)
    assert (str(found.total_cost), found.total_jobs, found.total_circuits, found.total_shots) == ("7.00", 3, 4, 111)
    assert found.total_compute_seconds == 1.5
    assert {name: str(cost) for name, cost in found.breakdown_by_backend.items()} == {
        "aer": "5.00",
        "fake_fez": "2.00",
    }


def test_without_dates_it_is_this_month_until_today(spent: Office) -> None:
    found = report(spent)
    assert (found.start_date, found.end_date, str(found.total_cost)) == (date(2026, 2, 1), date(2026, 2, 1), "8.00")


def test_by_day(spent: Office) -> None:
    days = report(spent, **JANUARY).breakdown_by_day
    assert days is not None
    assert [(str(day.date), str(day.cost), day.jobs) for day in days] == [
        ("2026-01-01", "3.00", 2),
        ("2026-01-31", "4.00", 1),
    ]
    assert days[0].backend_breakdown == {"aer": Money.of(1), "fake_fez": Money.of(2)}


def test_by_backend_user_and_key(spent: Office) -> None:
    backends = report(spent, **JANUARY, group_by="backend").backends
    users = report(spent, **JANUARY, group_by="user").breakdown_by_user
    keys = report(spent, **JANUARY, group_by="key").breakdown_by_key
    assert backends is not None
    assert users is not None
    assert keys is not None
    assert [(each.backend, str(each.cost)) for each in backends] == [("aer", "5.00"), ("fake_fez", "2.00")]
    assert [(each.user_id, str(each.cost)) for each in users] == [("user_adam", "2.00"), ("user_dana", "5.00")]
    assert [(each.key_id, str(each.cost)) for each in keys] == [(None, "6.00"), ("key_1", "1.00")]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_by_job_in_pages_that_miss_nothing(spent: Office, limit: int) -> None:
    costs, cursor = [], None
    while True:
        found = report(spent, **JANUARY, group_by="job", limit=limit, cursor=cursor)
        assert found.breakdown_by_job is not None
        assert len(found.breakdown_by_job) <= limit
        assert str(found.total_cost) == "7.00"
        costs += [str(event.amount) for event in found.breakdown_by_job]
        cursor = found.cursor
        if cursor is None:
            break
    assert costs == ["1.00", "2.00", "4.00"]


def test_a_report_of_too_many_sums_is_refused_and_a_shorter_one_is_not(
    spent: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "MAX_SUMS", 2)
    with pytest.raises(InvalidError, match="ask for fewer days") as refused:
        report(spent, **JANUARY)
    assert refused.value.code == "REPORT_TOO_LARGE"
    assert str(report(spent, start_date="2026-01-01", end_date="2026-01-30").total_cost) == "3.00"


def test_another_organisation_sees_nothing_of_it(spent: Office) -> None:
    spent.found("org_b", "Beta")
    stranger = Caller(organization_id="org_b", user_id="user_b", scopes=frozenset({"*"}))
    for group in ("day", "backend", "user", "key", "job"):
        query = UsageQuery.model_validate({**JANUARY, "group_by": group})
        found = UsageReports(spent.records, spent.clock).report(stranger, query)
        assert not found.total_cost
        assert not (found.breakdown_by_day)
        assert not (found.backends)
        assert not (found.breakdown_by_user)
        assert not (found.breakdown_by_key)
        assert not (found.breakdown_by_job)
        assert not (found.breakdown_by_backend)


def test_everything_groups_to_the_same_total(spent: Office) -> None:
    total = report(spent, **JANUARY).total_cost
    for group, field in (
        ("day", "breakdown_by_day"),
        ("backend", "backends"),
        ("user", "breakdown_by_user"),
        ("key", "breakdown_by_key"),
    ):
        rows = getattr(report(spent, **JANUARY, group_by=group), field)
        assert sum((row.cost for row in rows), Money()) == total


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"start_date": "2026-02-01", "end_date": "2026-01-01"}, "INVALID_DATE_RANGE"),
        ({"start_date": "2025-01-01", "end_date": "2026-01-02"}, "REPORT_TOO_LARGE"),
        ({"group_by": "job", "cursor": "event#x"}, "INVALID_CURSOR"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(office: Office, query: dict[str, str], code: str) -> None:
    with pytest.raises(InvalidError) as refused:
        report(office, **query)
    assert refused.value.code == code


def test_a_cursor_cannot_reach_before_the_range(spent: Office) -> None:
    early = "2020-01-01T00:00:00.000000Z_job_" + "0" * 26
    found = report(spent, start_date="2026-01-31", end_date="2026-01-31", group_by="job", cursor=early)
    assert found.breakdown_by_job is not None
    assert [str(event.amount) for event in found.breakdown_by_job] == ["4.00"]
