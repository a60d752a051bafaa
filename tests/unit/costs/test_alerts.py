"""Alerts go off once for each threshold, action and month, whatever dies in between, and do what they say."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ketbase.accounts.roles import Role
from ketbase.accounts.types import Notifications, OrganizationSettings, Preferences
from ketbase.adapters.mail.files import FileMail
from ketbase.audit.layout import UNSEALED
from ketbase.errors import BudgetError
from ketbase.jobs.types import Job
from ketbase.ledger.types import Budget, Charge, Standing
from ketbase.money import Money
from ketbase.notices.deliverer import Deliverer
from ketbase.ports.records import Index, Update
from tests.fakes import new_job
from tests.receivers import Receiver, receiver
from tests.unit.costs.office import Office

THRESHOLDS = (75, 80, 95, 100)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.fixture
def slack() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def mails(*thresholds: int) -> list[dict[str, object]]:
    return [{"threshold": each, "action": "email", "recipients": ["boss@acme.example"]} for each in thresholds]


def told(office: Office) -> list[int]:
    office.deliver()
    return [int(subject.split(" %")[0].rsplit(" ", 1)[1]) for _, subject in office.mails]


def test_each_threshold_goes_off_once_when_it_is_reached(office: Office) -> None:
    office.set_budget(100, *mails(*THRESHOLDS))
    heard = []
    for amount in ("74.99", "0.01", "4", "1", "14", "1", "4.999999999", "0.000000001"):
        office.spend(amount)
        heard.append(told(office))
    assert heard == [
        [],
        [75],
        [75],
        [75, 80],
        [75, 80],
        [75, 80, 95],
        [75, 80, 95],
        [75, 80, 95, 100],
    ]


def test_one_job_may_reach_them_all(office: Office) -> None:
    office.set_budget(100, *mails(*THRESHOLDS))
    office.spend("100")
    assert sorted(told(office)) == [75, 80, 95, 100]


def test_what_is_only_reserved_sets_off_nothing(office: Office) -> None:
    office.set_budget(100, *mails(75))
    office.started("90")
    office.alerts.check("org_a")
    assert told(office) == []


def test_the_next_month_begins_anew(office: Office) -> None:
    office.set_budget(100, *mails(75))
    office.spend("80")
    office.turn_to(datetime(2026, 2, 1, tzinfo=UTC))
    office.spend("70")
    assert told(office) == [75]
    office.spend("10")
    assert told(office) == [75, 75]


def test_a_job_that_ends_in_the_next_month_sets_off_the_month_that_pays(office: Office) -> None:
    office.set_budget(100, *mails(75))
    job = office.started("90")
    office.turn_to(datetime(2026, 2, 1, tzinfo=UTC))
    office.store.complete(job, "", {}, Charge(amount=Money.of(90)))
    office.deliver()
    assert [subject for _, subject in office.mails] == ["Acme: 75 % of the budget for 2026-01 is spent"]


def test_an_alert_that_is_added_later_does_not_go_off_for_the_month_before(office: Office) -> None:
    job = office.started("90")
    office.turn_to(datetime(2026, 2, 1, tzinfo=UTC))
    office.set_budget(100, *mails(75))
    office.store.complete(job, "", {}, Charge(amount=Money.of(90)))
    office.alerts.check_all()
    assert told(office) == []
    office.spend("80")
    assert told(office) == [75]


def test_twenty_watchers_at_once_tell_it_once(office: Office) -> None:
    office.spend("80")
    budget = Budget.model_validate({"monthly_limit": 100, "alerts": mails(75)})
    office.records.write(*office.ledger.budget_writes("org_a", budget))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: office.alerts.check("org_a"), range(20)))
    assert told(office) == [75]
    lines = [item.values for item in office.records.query(UNSEALED, index=Index.WORK).items]
    assert sum(line["action"] == "budget.alert" for line in lines) == 1


def test_a_watcher_that_looked_before_another_told_it_does_not_tell_it_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.set_budget(100, *mails(75))
    office.spend("80")
    assert told(office) == [75]
    monkeypatch.setattr(office.alerts, "triggered", lambda *_: {})
    office.alerts.check("org_a")
    assert told(office) == [75]


def test_what_dies_between_the_settlement_and_the_alert_is_made_up_for_by_the_schedule(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.set_budget(100, *mails(75))
    monkeypatch.setattr(office.alerts, "check", lambda *_: None)
    office.spend("80")
    monkeypatch.undo()
    assert told(office) == []
    assert office.alerts.check_all() == 1
    assert office.alerts.check_all() == 1
    assert told(office) == [75]


def test_a_broken_store_does_not_reach_the_job(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.set_budget(100, *mails(75))

    def broken(*_: object) -> None:
        raise OSError("no disk")

    monkeypatch.setattr(office.alerts, "_set_off", broken)
    assert office.spend("80").status == "completed"


def test_neither_claim_nor_notice_is_written_without_the_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.set_budget(100, *mails(75))
    calls = []
    real = office.records.write

    def dies_once(*writes: object) -> None:
        if any("alert#" in str(write) for write in writes) and not calls:
            calls.append(writes)
            raise OSError("killed")
        real(*writes)

    monkeypatch.setattr(office.records, "write", dies_once)
    office.spend("80")
    assert len(calls) == 1
    assert told(office) == []
    office.alerts.check_all()
    assert told(office) == [75]


def test_without_recipients_the_owners_and_admins_who_want_mail_are_told(office: Office) -> None:
    office.join("org_a", "quiet", Role.ADMIN, email=False)
    office.set_budget(100, {"threshold": 50, "action": "email"})
    office.spend("50")
    office.deliver()
    assert sorted(to for to, _ in office.mails) == ["adam@acme.example", "olga@acme.example"]


def test_where_no_owner_or_admin_wants_mail_they_are_told_all_the_same(office: Office) -> None:
    for name in ("olga", "adam"):
        kept = office.accounts.kept("org_a", f"user_{name}")
        assert kept is not None
        quiet = kept[1].user.model_copy(
            update={"preferences": Preferences(notifications=Notifications(email=False))}
        )
        office.records.write(office.accounts.replace_user(kept[1], quiet))
    office.set_budget(100, {"threshold": 50, "action": "email"})
    office.spend("50")
    office.deliver()
    assert sorted(to for to, _ in office.mails) == ["adam@acme.example", "olga@acme.example"]


def test_where_the_webhook_is_gone_the_owners_and_admins_get_mail(tmp_path: Path) -> None:
    office = Office(tmp_path, slack="https://hooks.slack.com/services/own")
    office.set_budget(100, {"threshold": 50, "action": "slack"})
    kept = office.accounts.kept_organization("org_a")
    assert kept is not None
    gone = kept.organization.model_copy(update={"settings": OrganizationSettings()})
    office.records.write(office.accounts.change(kept, gone))
    office.spend("50")
    office.deliver()
    assert sorted(to for to, _ in office.mails) == ["adam@acme.example", "olga@acme.example"]


def test_an_alert_waits_until_there_is_somebody_to_tell(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    office.set_budget(100, {"threshold": 50, "action": "email"}, {"threshold": 50, "action": "pause_new_jobs"})
    monkeypatch.setattr(office.accounts, "users", lambda _: [])
    office.spend("50")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert {alert.status for alert in office.budgets.get(office.olga).alerts} == {"not_triggered"}
    monkeypatch.undo()
    office.alerts.check("org_a")
    assert {alert.status for alert in office.budgets.get(office.olga).alerts} == {"triggered"}
    assert len(told(office)) == 4


def test_a_mail_arrives_in_the_mail_folder(office: Office, tmp_path: Path) -> None:
    office.set_budget(100, *mails(80))
    office.spend("80.50")
    folder = FileMail(tmp_path / "mail", "ketbase@acme.example", office.clock)
    office.clock.turn(1)
    carrier = Deliverer(office.records, folder, None, str, office.clock, patience=office.deliverer._patience)
    assert len(carrier.deliver().sent) == 1
    (file,) = (tmp_path / "mail").glob("*.eml")
    text = file.read_text()
    assert "To: boss@acme.example" in text
    assert "$80.50 of $100.00 are spent in 2026-01" in text


def test_a_message_arrives_at_the_alerts_webhook(tmp_path: Path, slack: Receiver) -> None:
    office = Office(tmp_path, hosts=(slack.origin,))
    office.set_budget(100, {"threshold": 80, "action": "slack", "webhook": slack.url()})
    office.spend("80")
    office.deliver()
    assert [text.splitlines()[0] for text in slack.texts] == ["*Acme: 80 % of the budget for 2026-01 is spent*"]
    office.spend("10")
    office.deliver()
    assert len(slack.posts) == 1


def test_a_message_without_a_webhook_of_its_own_arrives_at_the_organisations(
    tmp_path: Path, slack: Receiver
) -> None:
    office = Office(tmp_path, hosts=(slack.origin,), slack=slack.url("/own"))
    office.set_budget(100, {"threshold": 80, "action": "slack"})
    office.spend("80")
    office.deliver()
    assert [path for path, _ in slack.posts] == ["/own"]


def test_pause_new_jobs_refuses_submissions_until_the_limit_is_raised(office: Office) -> None:
    office.set_budget(100, {"threshold": 80, "action": "pause_new_jobs"})
    waiting = office.store.submit(new_job(office.clock), None, "")
    office.spend("80")
    with pytest.raises(BudgetError) as refused:
        office.spend("1")
    assert refused.value.code == "JOBS_PAUSED"
    assert not office.ledger.pauses_waiting_jobs("org_a")
    assert office.budgets.get(office.olga).paused == "new_jobs"
    assert office.store.start(waiting, at_most_running=99, at_most_in_all=99) is not None
    office.set_budget(200, {"threshold": 80, "action": "pause_new_jobs"})
    assert office.budgets.get(office.olga).paused == "none"
    office.spend("1")


def test_pause_jobs_holds_back_waiting_jobs_too(office: Office) -> None:
    office.set_budget(100, {"threshold": 90, "action": "pause_jobs"})
    office.spend("90")
    assert office.ledger.pauses_waiting_jobs("org_a")
    assert office.budgets.get(office.olga).paused == "all_jobs"
    with pytest.raises(BudgetError):
        office.spend("1")
    office.set_budget(200, {"threshold": 90, "action": "pause_jobs"})
    assert not office.ledger.pauses_waiting_jobs("org_a")


def test_who_runs_the_budget_hears_of_a_pause(office: Office) -> None:
    office.set_budget(100, {"threshold": 80, "action": "pause_new_jobs"})
    office.spend("80")
    office.deliver()
    assert {to for to, _ in office.mails} == {"olga@acme.example", "adam@acme.example"}
    assert "New jobs are refused" in office.mail.sent[0][2]


def test_each_alert_stands_in_the_audit_log(office: Office) -> None:
    office.set_budget(100, *mails(75), {"threshold": 75, "action": "pause_new_jobs"})
    office.spend("80")
    lines = [item.values for item in office.records.query(UNSEALED, index=Index.WORK).items]
    alerts = [line["details"] for line in lines if line["action"] == "budget.alert"]
    assert {alert["alert_action"] for alert in alerts} == {"email", "pause_new_jobs"}


def test_one_organisations_alerts_are_no_others(office: Office) -> None:
    office.found("org_b", "Beta")
    office.set_budget(100, *mails(75))
    office.spend("80", organization="org_b")
    assert told(office) == []


# --- No room ---


def fill(office: Office, spent: str = "60", reserved: str = "36") -> Job:
    """Spend some, and set more aside for a job that goes on."""
    office.spend(spent)
    return office.started(reserved)


def refuse(office: Office, ceiling: str = "5", **fields: object) -> str:
    with pytest.raises(BudgetError) as refused:
        office.store.submit(new_job(office.clock, reserved_cost=Money.of(ceiling), **fields), None, "")
    return refused.value.code


def test_a_job_without_room_in_a_full_month_sets_off_the_alert_at_100_once(office: Office) -> None:
    office.set_budget(100, *mails(75, 99, 100))
    fill(office)
    assert told(office) == []
    refuse(office)
    refuse(office)
    assert told(office) == [100]
    assert "is spent or set aside" in office.mails[0][1]
    assert "$60.00 of $100.00 are spent in 2026-01; $36.00 more" in office.mail.sent[0][2]


def test_a_month_that_is_not_full_sets_off_nothing_however_large_the_job(office: Office) -> None:
    office.set_budget(100, *mails(100), {"threshold": 100, "action": "pause_jobs"})
    fill(office, "60", "34.99")
    refuse(office, "1000000")
    assert told(office) == []
    assert not office.ledger.pauses_waiting_jobs("org_a")


def test_a_users_own_limit_sets_off_nothing(office: Office) -> None:
    office.set_budget(100, *mails(100))
    fill(office)
    office.records.write(*office.ledger.limit_writes("org_a", "user_dana", Money.of(1)))
    assert refuse(office, "2", user_id="user_dana") == "BUDGET_EXCEEDED"
    assert told(office) == []


def test_pause_jobs_at_100_keeps_new_jobs_out_until_the_budget_is_set_anew_and_lets_go_on_what_waits(
    office: Office,
) -> None:
    pause = {"threshold": 100, "action": "pause_jobs"}
    office.set_budget(100, pause)
    running = fill(office)
    refuse(office)
    assert office.ledger.pauses_new_jobs("org_a")
    assert not office.ledger.pauses_waiting_jobs("org_a")
    assert office.budgets.get(office.olga).paused == "new_jobs"
    office.store.cancel(running)
    assert refuse(office, "1") == "JOBS_PAUSED"
    office.set_budget(200, pause)
    assert not office.ledger.pauses_new_jobs("org_a")
    assert office.budgets.get(office.olga).paused == "none"
    fill(office, "100", "36")
    refuse(office)
    assert office.ledger.pauses_new_jobs("org_a")
    assert told(office) == [100, 100]  # Olga and Adam, and nobody twice


def test_pause_jobs_at_100_ends_with_the_month_and_with_its_alert(office: Office) -> None:
    office.set_budget(100, {"threshold": 100, "action": "pause_jobs"})
    fill(office)
    refuse(office)
    office.set_budget(100, *mails(100))
    assert not office.ledger.pauses_new_jobs("org_a")
    office.set_budget(100, {"threshold": 100, "action": "pause_jobs"})
    refuse(office)
    assert office.ledger.pauses_new_jobs("org_a")
    office.turn_to(datetime(2026, 2, 1, tzinfo=UTC))
    assert not office.ledger.pauses_new_jobs("org_a")


def test_a_pause_that_comes_too_late_for_a_new_limit_does_not_hold(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.set_budget(100, {"threshold": 100, "action": "pause_jobs"})
    fill(office)
    real = office.ledger.pause

    def raised_meanwhile(standing: Standing) -> Update:
        monkeypatch.undo()
        office.set_budget(200, {"threshold": 100, "action": "pause_jobs"})
        return real(standing)

    monkeypatch.setattr(office.ledger, "pause", raised_meanwhile)
    refuse(office)
    assert not office.ledger.pauses_new_jobs("org_a")
    assert told(office) == []


def test_pause_jobs_at_100_pauses_though_there_is_nobody_to_tell(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.set_budget(100, {"threshold": 100, "action": "pause_jobs"})
    fill(office)
    monkeypatch.setattr(office.accounts, "users", lambda _: [])
    refuse(office)
    assert office.ledger.pauses_new_jobs("org_a")


def test_a_refusal_stays_one_whatever_goes_wrong_with_its_alert(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.set_budget(100, *mails(100))
    fill(office)

    def broken(*_: object) -> None:
        raise OSError("no disk")

    monkeypatch.setattr(office.alerts, "_set_off", broken)
    assert refuse(office) == "BUDGET_EXCEEDED"
