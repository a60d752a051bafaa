"""Users are told that their jobs ended, in the ways they want."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ketbase.accounts.roles import Role
from tests.receivers import Receiver, receiver
from tests.unit.costs.office import Office


@pytest.fixture
def slack() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def office(tmp_path: Path, slack: Receiver) -> Office:
    office = Office(tmp_path, hosts=(slack.origin,), slack=slack.url())
    office.join("org_a", "both", Role.DEVELOPER, email=True, slack=True, jobs="all")
    office.join("org_a", "neither", Role.DEVELOPER, email=False, slack=False, jobs="all")
    office.join("org_a", "mailed", Role.DEVELOPER, jobs="all")
    office.join("org_a", "worried", Role.DEVELOPER, jobs="failed")
    return office


def test_a_completed_job_is_told_by_mail(office: Office) -> None:
    job = office.spend("1.25", "user_mailed")
    office.deliver()
    ((to, subject, text),) = office.mail.sent
    assert (to, subject) == ("mailed@acme.example", f"Job {job.id} completed on aer")
    assert "$1.25" in text
    assert f"/v1/jobs/{job.id}/result" in text


def test_a_failed_job_says_why(office: Office) -> None:
    job = office.fail("0.10", "user_mailed")
    office.deliver()
    ((_, subject, text),) = office.mail.sent
    assert subject == f"Job {job.id} failed on aer"
    assert "BROKEN: It broke." in text


def test_who_wants_both_gets_both(office: Office, slack: Receiver) -> None:
    office.spend("1", "user_both")
    office.deliver()
    assert len(office.mail.sent) == len(slack.posts) == 1
    assert "Submitted by Both." in slack.texts[0]


def test_who_wants_neither_and_who_is_gone_hear_nothing(office: Office, slack: Receiver) -> None:
    office.spend("1", "user_neither")
    office.spend("1", "user_gone")
    office.deliver()
    assert office.mail.sent == slack.posts == []


def test_who_wants_to_hear_of_failures_only_hears_of_those_and_by_default_of_none(office: Office) -> None:
    office.spend("1", "user_worried")
    office.spend("1", "user_dana")
    office.fail("1", "user_dana")
    office.deliver()
    assert office.mail.sent == []
    job = office.fail("0.10", "user_worried")
    office.deliver()
    assert [subject for _, subject, _ in office.mail.sent] == [f"Job {job.id} failed on aer"]


def test_who_cancelled_a_job_is_not_told_of_it(office: Office) -> None:
    office.store.cancel(office.started("1", "user_mailed"))
    office.deliver()
    assert office.mail.sent == []


def test_a_job_ends_although_its_user_cannot_be_read(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a record from the future")

    monkeypatch.setattr(office.accounts, "kept", broken)
    assert office.spend("1", "user_dana").status == "completed"
