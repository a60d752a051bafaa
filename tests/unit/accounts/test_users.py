import threading

import pytest

from ketbase.accounts import layout
from ketbase.accounts.requests import UpdateMe, UpdateUser
from ketbase.accounts.roles import Role
from ketbase.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    KetbaseError,
    NotFoundError,
    UnauthenticatedError,
)
from ketbase.money import Money
from ketbase.paging import PageRequest
from ketbase.ports.records import Item, Put
from tests.unit.accounts.conftest import EVERYTHING, SOMEWHERE


@pytest.fixture
def owner(town):
    return town.found()


@pytest.fixture
def admin(town, owner):
    return town.join(owner, "admin@example.com", Role.ADMIN)


@pytest.fixture
def developer(town, owner):
    return town.join(owner, "dev@example.com", Role.DEVELOPER)


def code_of(act, *arguments):
    with pytest.raises(KetbaseError) as problem:
        act(*arguments)
    return problem.value.code


def owners(town, organization_id):
    return [user for user in town.store.users(organization_id) if user.role is Role.OWNER]


# --- Seeing ---


def test_users_are_listed_by_role_and_in_pages(town, owner, admin, developer):
    assert {user.id for user in town.users.list(owner, None, EVERYTHING).items} == {
        owner.user_id,
        admin.user_id,
        developer.user_id,
    }
    only = town.users.list(owner, Role.DEVELOPER, EVERYTHING)
    assert ([user.id for user in only.items], only.total) == ([developer.user_id], 1)
    first = town.users.list(owner, None, PageRequest(limit=2))
    rest = town.users.list(owner, None, PageRequest(limit=2, cursor=first.cursor))
    assert (first.total, len(first.items), len(rest.items), rest.cursor) == (3, 2, 1, None)
    assert not {user.id for user in first.items} & {user.id for user in rest.items}


def test_another_organisations_users_are_not_there(town, owner, developer):
    stranger = town.found("stranger@example.com")
    assert [user.id for user in town.users.list(stranger, None, EVERYTHING).items] == [stranger.user_id]
    for act in (
        lambda: town.users.get(stranger, developer.user_id),
        lambda: town.users.update(stranger, developer.user_id, UpdateUser(name="Mallory")),
        lambda: town.users.remove(stranger, developer.user_id),
    ):
        assert code_of(act) == "USER_NOT_FOUND"
    assert town.users.get(owner, developer.user_id).name == "New"


def test_when_somebody_was_last_active_is_shown(town, owner, developer):
    moment = town.clock.now()
    town.records.write(Put(Item(layout.bucket(developer.user_id), {"last_used": moment.isoformat()})))
    assert town.users.get(owner, developer.user_id).last_active == moment
    assert town.users.get(owner, owner.user_id).last_active is None


# --- Roles ---


def test_nobody_grants_a_role_above_their_own_or_touches_somebody_above_them(town, owner, admin, developer):
    assert code_of(town.users.update, admin, developer.user_id, UpdateUser(role=Role.OWNER)) == "ROLE_ABOVE_OWN"
    assert code_of(town.users.update, admin, admin.user_id, UpdateUser(role=Role.OWNER)) == "ROLE_ABOVE_OWN"
    assert code_of(town.users.update, admin, owner.user_id, UpdateUser(name="Gone")) == "USER_ABOVE_CALLER"
    assert code_of(town.users.remove, admin, owner.user_id) == "USER_ABOVE_CALLER"
    assert town.users.update(admin, developer.user_id, UpdateUser(role=Role.ADMIN)).role is Role.ADMIN


def test_the_last_owner_can_neither_go_nor_become_something_else(town, owner, admin):
    assert code_of(town.users.remove, owner, owner.user_id) == "LAST_OWNER"
    assert code_of(town.users.update, owner, owner.user_id, UpdateUser(role=Role.ADMIN)) == "LAST_OWNER"
    town.users.update(owner, admin.user_id, UpdateUser(role=Role.OWNER))
    town.users.remove(owner, owner.user_id)
    second = town.session(owner.organization_id, admin.user_id)
    assert code_of(town.users.remove, second, second.user_id) == "LAST_OWNER"


@pytest.mark.parametrize("remove", [False, True])
def test_owners_who_demote_or_remove_each_other_at_the_same_moment_leave_one(town, owner, remove):
    everybody = [owner] + [town.join(owner, f"{n}@example.com", Role.OWNER) for n in range(3)]
    begin = threading.Barrier(len(everybody))
    refusals = []

    def act(number: int) -> None:
        victim = everybody[(number + 1) % len(everybody)]
        begin.wait()
        try:
            if remove:
                town.users.remove(everybody[number], victim.user_id)
            else:
                town.users.update(everybody[number], victim.user_id, UpdateUser(role=Role.VIEWER))
        except ConflictError as problem:
            refusals.append(problem.code)

    threads = [threading.Thread(target=act, args=(number,)) for number in range(len(everybody))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(owners(town, owner.organization_id)) == 1
    assert refusals == ["LAST_OWNER"]
    assert town.store.kept_organization(owner.organization_id).owners == 1


def test_a_change_tells_the_audit_log_what_was_and_what_is(town, owner, developer):
    town.users.update(owner, developer.user_id, UpdateUser(role=Role.VIEWER, monthly_limit="5"))
    assert town.details(owner.organization_id, "user.updated") == {
        "changed": {
            "role": {"before": "developer", "after": "viewer"},
            "monthly_limit": {"before": None, "after": "5.00"},
        }
    }


def test_a_change_that_changes_nothing_is_no_change(town, owner, developer):
    before = town.users.get(owner, developer.user_id)
    town.clock.turn(60)
    assert town.users.update(owner, developer.user_id, UpdateUser(role=Role.DEVELOPER)) == before
    assert "user.updated" not in town.audited(owner.organization_id)


def test_a_monthly_limit_stands_in_the_books_until_it_is_lifted(town, owner, developer):
    organization_id, user_id = developer.organization_id, developer.user_id
    town.users.update(owner, user_id, UpdateUser(monthly_limit="5"))
    town.users.update(owner, user_id, UpdateUser(name="Dana"))
    assert town.ledger.standing_of(organization_id, user_id).limit == Money.of(5)
    town.users.update(owner, user_id, UpdateUser(monthly_limit=None))
    assert town.ledger.standing_of(organization_id, user_id).limit is None


class Meddled:
    """Records in which somebody else is quicker, once."""

    def __init__(self, records, meddle):
        self._records = records
        self._meddle = meddle

    def __getattr__(self, name):
        return getattr(self._records, name)

    def write(self, *writes):
        meddle, self._meddle = self._meddle, lambda: None
        meddle()
        self._records.write(*writes)


def test_no_change_is_lost_when_another_comes_between_reading_and_writing(town, owner, developer, monkeypatch):
    demote = UpdateUser(role=Role.VIEWER, monthly_limit="5")
    meddled = Meddled(town.records, lambda: town.users.update(owner, developer.user_id, demote))
    monkeypatch.setattr(town.users, "_records", meddled)
    town.users.update_me(developer, UpdateMe(name="Dana"))
    user = town.users.get(owner, developer.user_id)
    assert (user.name, user.role, user.monthly_limit) == ("Dana", Role.VIEWER, Money.of(5))


def test_nobody_is_removed_by_who_was_just_put_below_them(town, owner, admin, developer, monkeypatch):
    promote = UpdateUser(role=Role.OWNER)
    meddled = Meddled(town.records, lambda: town.users.update(owner, developer.user_id, promote))
    monkeypatch.setattr(town.users, "_records", meddled)
    assert code_of(town.users.remove, admin, developer.user_id) == "USER_ABOVE_CALLER"


# --- Going ---


def test_the_sessions_keys_address_and_password_of_a_removed_user_are_gone_at_once(town, owner, developer):
    key = town.key(developer, "jobs:read")
    town.sessions.open(developer.organization_id, developer.user_id, SOMEWHERE)
    town.users.remove(owner, developer.user_id)
    with pytest.raises(UnauthenticatedError):
        town.keys.authenticate(key, SOMEWHERE)
    assert list(town.sessions.of_user(developer.user_id)) == []
    assert town.credentials.get(developer.organization_id, developer.user_id) is None
    assert town.store.user_by_email("dev@example.com") is None
    assert town.issuer.list(owner, EVERYTHING).total == 0
    assert "user.removed" in town.audited(owner.organization_id)
    again = town.join(owner, "dev@example.com", Role.VIEWER)
    assert again.user_id != developer.user_id
    assert code_of(town.users.remove, owner, developer.user_id) == "USER_NOT_FOUND"


# --- Oneself ---


def test_everybody_changes_their_own_name_and_preferences_and_what_is_left_out_stays(town, owner):
    viewer = town.join(owner, "v@example.com", Role.VIEWER)
    town.users.update_me(viewer, UpdateMe(preferences={"default_backend": "aer", "notifications": {"slack": True}}))
    changed = town.users.update_me(viewer, UpdateMe(name="Vera", preferences={"notifications": {"email": False}}))
    assert (changed.name, changed.preferences.default_backend) == ("Vera", "aer")
    assert changed.preferences.notifications.model_dump() == {
        "email": False,
        "slack": True,
        "jobs": "none",
    }
    cleared = town.users.update_me(viewer, UpdateMe(preferences={"default_backend": None}))
    assert cleared.preferences.default_backend is None


def test_a_default_backend_is_one_that_there_is(town, owner):
    with pytest.raises(InvalidError) as problem:
        town.users.update_me(owner, UpdateMe(preferences={"default_backend": "abacus"}))
    assert problem.value.code == "UNKNOWN_BACKEND"
    assert "aer" in problem.value.details["backends"]


def test_a_key_changes_its_owners_profile_only_with_the_scope(town, owner):
    weak = town.keys.authenticate(town.key(owner, "users:read"), SOMEWHERE)
    with pytest.raises(ForbiddenError):
        town.users.update_me(weak, UpdateMe(name="Robot"))
    strong = town.keys.authenticate(town.key(owner, "users:write"), SOMEWHERE)
    assert town.users.update_me(strong, UpdateMe(name="Robot")).name == "Robot"


def test_a_user_of_an_organisation_that_is_being_erased_is_gone(town, owner, developer):
    town.organizations.delete(owner, "Acme")
    with pytest.raises(NotFoundError):
        town.users.get(owner, developer.user_id)
    assert town.store.user_by_email("dev@example.com") is None
