"""A budget is shown as it holds, changed with its line in the audit log, and shows no secret."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from ketbase.audit.layout import UNSEALED
from ketbase.costs.budget import UpdateBudget
from ketbase.costs.budgets import projection
from ketbase.errors import InvalidError
from ketbase.money import Money
from ketbase.ports.records import Index
from tests.unit.costs.office import Office

WEBHOOK = "https://hooks.slack.com/services/T0/B0/topsecret7Qa"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_who_set_no_budget_has_the_installations(office: Office) -> None:
    view = office.budgets.get(office.olga)
    assert (str(view.monthly_limit), str(view.current_spend), view.alerts, view.updated_at) == (
        "100.00",
        "0.00",
        (),
        None,
    )


def test_a_budget_shows_what_is_spent_reserved_and_left(office: Office) -> None:
    office.set_budget("5000", {"threshold": 80, "action": "email"}, {"threshold": 20, "action": "email"})
    office.turn_to(datetime(2026, 1, 16, 12, tzinfo=UTC))
    office.spend("1234.56")
    office.started("100")
    view = office.budgets.get(office.olga)
    assert view.month == "2026-01"
    assert [str(amount) for amount in (view.current_spend, view.reserved, view.remaining)] == [
        "1234.56",
        "100.00",
        "3665.44",
    ]
    assert view.percentage_used == 24.69
    assert str(view.projected_monthly_spend) == "2469.12"
    assert [(alert.threshold, alert.status) for alert in view.alerts] == [(20, "triggered"), (80, "not_triggered")]
    assert view.alerts[0].triggered_at == office.clock.now()


def test_a_hundred_per_cent_are_shown_when_they_are_reached(office: Office) -> None:
    office.spend("99.999999999")
    assert office.budgets.get(office.olga).percentage_used == 99.99
    office.spend("0.000000001")
    assert office.budgets.get(office.olga).percentage_used == 100.0


def test_a_projection_does_not_run_wild_and_ends_with_the_month() -> None:
    spent = Money.of(31)
    assert projection(spent, "2026-01", datetime(2026, 1, 1, 0, 1, tzinfo=UTC)) == Money.of(961)
    assert projection(spent, "2026-01", datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)) >= spent
    assert projection(spent, "2026-01", datetime(2026, 3, 1, tzinfo=UTC)) == spent


def test_a_webhook_is_shown_by_its_host_and_its_last_characters_and_kept_sealed(
    office: Office, tmp_path: Path
) -> None:
    office.set_budget(100, {"threshold": 90, "action": "slack", "webhook": WEBHOOK})
    (alert,) = office.budgets.get(office.olga).alerts
    assert alert.webhook == "hooks.slack.com/…t7Qa"
    assert all(b"topsecret" not in file.read_bytes() for file in tmp_path.glob("records.db*"))


def test_what_is_shown_can_be_sent_back_and_keeps_the_webhook(office: Office) -> None:
    office.set_budget(100, {"threshold": 90, "action": "slack", "webhook": WEBHOOK})
    before = office.ledger.budget("org_a").alerts[0].webhook
    office.set_budget(200, {"threshold": 90, "action": "slack", "webhook": "hooks.slack.com/…t7Qa"})
    assert office.ledger.budget("org_a").alerts[0].webhook == before


@pytest.mark.parametrize(
    "webhook", ["http://hooks.slack.com/x", "https://169.254.169.254/latest", "hooks.slack.com/…zzzz"]
)
def test_a_webhook_elsewhere_is_refused(office: Office, webhook: str) -> None:
    with pytest.raises(InvalidError) as refused:
        office.set_budget(100, {"threshold": 90, "action": "slack", "webhook": webhook})
    assert refused.value.code == "INVALID_WEBHOOK"


def test_slack_without_any_webhook_is_refused(office: Office) -> None:
    with pytest.raises(InvalidError) as refused:
        office.set_budget(100, {"threshold": 90, "action": "slack"})
    assert refused.value.code == "WEBHOOK_MISSING"


@pytest.mark.parametrize(
    "body",
    [
        {"monthly_limit": -1},
        {"monthly_limit": 1, "alerts": [{"threshold": 0, "action": "email"}]},
        {"monthly_limit": 1, "alerts": [{"threshold": 101, "action": "email"}]},
        {"monthly_limit": 1, "alerts": [{"threshold": 50, "action": "shout"}]},
        {"monthly_limit": 1, "alerts": [{"threshold": 50, "action": "email", "recipients": ["nobody"]}]},
        {
            "monthly_limit": 1,
            "alerts": [{"threshold": 50, "action": "email", "recipients": ["a@b.example\nBcc: c@d.example"]}],
        },
        {"monthly_limit": 1, "alerts": [{"threshold": 50, "action": "email", "webhook": WEBHOOK}]},
        {"monthly_limit": 1, "alerts": [{"threshold": 50, "action": "email"}] * 2},
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        UpdateBudget.model_validate(body)


def test_a_change_stands_in_the_audit_log_without_the_webhook(office: Office) -> None:
    office.set_budget(250, {"threshold": 90, "action": "slack", "webhook": WEBHOOK})
    lines = [item.values for item in office.records.query(UNSEALED, index=Index.WORK).items]
    (changed,) = [line for line in lines if line["action"] == "budget.updated"]
    assert changed["actor_id"] == "user_olga"
    assert changed["details"] == {
        "monthly_limit": "250.00",
        "monthly_limit_before": "100.00",
        "alerts": ["90 % slack"],
    }


def test_a_new_threshold_that_is_passed_already_goes_off_at_once(office: Office) -> None:
    office.spend("60")
    office.set_budget(100, {"threshold": 50, "action": "email"})
    assert office.budgets.get(office.olga).alerts[0].status == "triggered"


def test_a_limit_of_nothing_lets_no_job_in_that_costs(office: Office) -> None:
    office.set_budget(0)
    view = office.budgets.get(office.olga)
    assert (view.percentage_used, str(view.remaining)) == (0.0, "0.00")
