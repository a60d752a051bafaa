import threading

import pytest

from ketbase.accounts.requests import UpdateOrganization
from ketbase.accounts.roles import Role
from ketbase.errors import InvalidError, KetbaseError, UnauthenticatedError
from tests.unit.accounts.conftest import SOMEWHERE

WEBHOOK = "https://hooks.slack.com/services/T0/B0/secret"


@pytest.fixture
def owner(town):
    return town.found()


def update(town, caller, **settings):
    return town.organizations.update(caller, UpdateOrganization(settings=settings))


def test_settings_hold_once_they_are_set_and_what_is_left_out_stays(town, owner):
    update(town, owner, enable_hardware=True, max_concurrent_jobs=3)
    shown = update(town, owner, allowed_backends=["aer"])
    assert (shown.settings.enable_hardware, shown.settings.max_concurrent_jobs) == (True, 3)
    assert shown.settings.allowed_backends == ("aer",)
    assert town.store.organization(owner.organization_id).settings.allowed_backends == ("aer",)
    assert update(town, owner, allowed_backends=None).settings.allowed_backends is None


def test_the_audit_log_tells_what_a_setting_was_and_what_it_is(town, owner):
    update(town, owner, enable_hardware=True)
    assert town.details(owner.organization_id, "organization.updated") == {
        "changed": {"enable_hardware": {"before": False, "after": True}}
    }


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"max_concurrent_jobs": 11}, "TOO_MANY_CONCURRENT_JOBS"),
        ({"allowed_backends": ["aer", "abacus"]}, "UNKNOWN_BACKEND"),
        ({"slack_webhook": "http://169.254.169.254/latest"}, "INVALID_WEBHOOK"),
    ],
)
def test_a_setting_that_cannot_hold_is_refused(town, owner, settings, code):
    with pytest.raises(InvalidError) as problem:
        update(town, owner, enable_hardware=True, **settings)
    assert problem.value.code == code
    assert not town.organizations.get(owner).settings.enable_hardware


def test_as_many_jobs_run_as_the_installation_allows_today(town, owner):
    assert town.organizations.get(owner).settings.max_concurrent_jobs == 10
    settings = update(town, owner, max_concurrent_jobs=8).settings
    assert settings.concurrent_jobs(5) == 5


def test_a_webhook_is_sealed_and_shown_to_nobody(town, owner):
    assert update(town, owner, slack_webhook=WEBHOOK).settings.slack_webhook == "***"
    sealed = town.store.organization(owner.organization_id).settings.slack_webhook
    assert town.vault.open(sealed) == WEBHOOK
    assert b"B0/secret" not in b"".join(file.read_bytes() for file in town.path.parent.iterdir())
    assert "slack_webhook" in town.details(owner.organization_id, "organization.updated")["changed"]


def test_no_change_is_lost_when_two_change_at_the_same_moment(town, owner):
    changes = [{"enable_hardware": True}, {"max_concurrent_jobs": 3}, {"allowed_backends": ["aer"]}]
    threads = [threading.Thread(target=update, args=(town, owner), kwargs=change) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settings = town.organizations.get(owner).settings
    assert (settings.enable_hardware, settings.max_concurrent_jobs, settings.allowed_backends) == (
        True,
        3,
        ("aer",),
    )


def test_nobody_deletes_an_organisation_by_mistake(town, owner):
    with pytest.raises(InvalidError) as problem:
        town.organizations.delete(owner, "acme")
    assert problem.value.code == "CONFIRMATION_MISMATCH"
    assert town.organizations.get(owner).name == "Acme"


def test_every_credential_of_a_deleted_organisation_is_refused_at_once(town, owner):
    developer = town.join(owner, "dev@example.com", Role.DEVELOPER)
    keys = [town.key(owner, "jobs:read"), town.key(developer, "jobs:read")]
    farewell = town.organizations.delete(owner, "Acme")
    assert (farewell.status, farewell.members, farewell.api_keys) == ("erasing", 2, 2)
    for key in keys:
        with pytest.raises(UnauthenticatedError):
            town.keys.authenticate(key, SOMEWHERE)
    assert town.store.user(owner.organization_id, owner.user_id) is None
    assert town.store.user_by_email("olga@example.com") is None
    with pytest.raises(KetbaseError):
        town.organizations.get(owner)
    with pytest.raises(KetbaseError):
        town.organizations.delete(owner, "Acme")
    assert "organization.deleted" in town.audited(owner.organization_id)


def test_an_organisation_is_its_members_only(town, owner):
    stranger = town.found("stranger@example.com", "Elsewhere")
    update(town, stranger, enable_hardware=True)
    assert town.organizations.get(owner).name == "Acme"
    assert not town.organizations.get(owner).settings.enable_hardware
