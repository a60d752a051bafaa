"""What a key does to people: no more than its own scopes allow, whoever its owner is."""

from datetime import timedelta

import pytest

from ketbase.accounts.requests import AcceptInvitation, CreateKey, InviteUser, UpdateUser
from ketbase.accounts.roles import Role, scopes_of
from ketbase.errors import KetbaseError
from tests.unit.accounts.conftest import PASSWORD, SOMEWHERE


@pytest.fixture
def owner(town):
    return town.found()


@pytest.fixture
def developer(town, owner):
    return town.join(owner, "dev@example.com", Role.DEVELOPER)


def with_key(town, owner, *scopes, **fields):
    return town.keys.authenticate(town.key(owner, *scopes, **fields), SOMEWHERE)


def code_of(act, *arguments):
    with pytest.raises(KetbaseError) as problem:
        act(*arguments)
    return problem.value.code


@pytest.mark.parametrize("role", Role)
def test_a_key_that_only_changes_people_makes_nobody_and_touches_nobody(town, owner, developer, role):
    key = with_key(town, owner, "users:write")
    assert (
        code_of(town.invitations.invite, key, InviteUser(email="x@example.com", role=role)) == "SCOPE_NOT_GRANTED"
    )
    assert code_of(town.users.update, key, developer.user_id, UpdateUser(role=role)) == "USER_ABOVE_CALLER"
    assert code_of(town.users.remove, key, owner.user_id) == "USER_ABOVE_CALLER"
    assert code_of(town.users.update, key, owner.user_id, UpdateUser(role=role)) == "USER_ABOVE_CALLER"


def test_a_key_deals_with_the_roles_whose_scopes_it_has(town, owner, developer):
    key = with_key(town, owner, "users:write", *scopes_of(Role.DEVELOPER))
    town.invitations.invite(key, InviteUser(email="x@example.com", role=Role.DEVELOPER))
    assert town.users.update(key, developer.user_id, UpdateUser(role=Role.VIEWER)).role is Role.VIEWER
    assert code_of(town.users.update, key, developer.user_id, UpdateUser(role=Role.ADMIN)) == "SCOPE_NOT_GRANTED"
    town.users.remove(key, developer.user_id)


def test_a_key_with_everything_makes_an_owner(town, owner, developer):
    key = with_key(town, owner, "*")
    assert town.users.update(key, developer.user_id, UpdateUser(role=Role.OWNER)).role is Role.OWNER


@pytest.mark.parametrize("limit", ["expiry", "money"])
def test_a_key_that_is_limited_invites_nobody_and_changes_no_role(town, owner, developer, limit):
    ends = town.clock.now() + timedelta(days=1)
    key = with_key(town, owner, "*", **({"expires_at": ends} if limit == "expiry" else {"monthly_limit": "1.00"}))
    assert code_of(town.invitations.invite, key, InviteUser(email="x@example.com")) == "KEY_IS_LIMITED"
    assert code_of(town.users.update, key, developer.user_id, UpdateUser(role=Role.VIEWER)) == "KEY_IS_LIMITED"


def test_an_invitation_dies_with_the_key_that_made_it(town, owner):
    made = town.issuer.create(owner, CreateKey(name="CI", scopes=("*",)))
    town.invitations.invite(town.keys.authenticate(made.key, SOMEWHERE), InviteUser(email="x@example.com"))
    town.issuer.revoke(owner, made.id)
    body = AcceptInvitation(token=town.token("x@example.com"), name="X", password=PASSWORD)
    assert code_of(town.joining.accept, SOMEWHERE, body) == "INVITATION_NOT_FOUND"


def test_an_invitation_of_a_key_that_is_good_is_accepted(town, owner):
    town.invitations.invite(with_key(town, owner, "*"), InviteUser(email="x@example.com"))
    body = AcceptInvitation(token=town.token("x@example.com"), name="X", password=PASSWORD)
    assert town.joining.accept(SOMEWHERE, body).email == "x@example.com"
