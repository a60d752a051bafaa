from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketbase.accounts import layout
from ketbase.accounts.issuing import granted
from ketbase.accounts.requests import CreateKey, UpdateUser
from ketbase.accounts.roles import SCOPES, Role, expand, grants, scopes_of
from ketbase.accounts.types import Caller
from ketbase.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, UnauthenticatedError
from ketbase.ledger import layout as ledger_layout
from ketbase.money import Money
from ketbase.ports.records import Item, Put
from tests.unit.accounts.conftest import EVERYTHING, SOMEWHERE

ASKABLE = sorted(SCOPES | {"*", "circuits:*", "jobs:*", "keys:*", "users:*", "billing:*"})


@pytest.fixture
def owner(town):
    return town.found()


@pytest.fixture
def developer(town, owner):
    return town.join(owner, "dev@example.com", Role.DEVELOPER)


def refused(town, key):
    with pytest.raises(UnauthenticatedError) as problem:
        town.keys.authenticate(key, SOMEWHERE)
    return problem.value.code


def test_a_key_is_shown_once_and_calls_as_its_owner(town, developer):
    made = town.issuer.create(developer, CreateKey(name="CI", scopes=("circuits:*",), rate_limit=50))
    caller = town.keys.authenticate(made.key, SOMEWHERE)
    assert (caller.user_id, caller.credential_id, caller.rate_limit) == (developer.user_id, made.id, 50)
    assert caller.scopes == expand("circuits:*")
    assert caller.origin == SOMEWHERE
    assert made.hint == f"qsk_dev_***{made.key[-4:]}"
    assert made.key not in str(town.issuer.list(developer, EVERYTHING))
    assert town.details(developer.organization_id, "key.created")["scopes"] == ["circuits:*"]


def test_neither_store_nor_audit_log_holds_the_key(town, developer):
    key = town.key(developer, "jobs:read")
    assert key.encode() not in b"".join(file.read_bytes() for file in town.path.parent.iterdir())


def test_a_key_loses_what_its_owner_loses_and_gets_it_back(town, owner, developer):
    key = town.key(developer, "circuits:*", "jobs:submit")
    town.users.update(owner, developer.user_id, UpdateUser(role=Role.VIEWER))
    assert town.keys.authenticate(key, SOMEWHERE).scopes == {"circuits:read"}
    town.users.update(owner, developer.user_id, UpdateUser(role=Role.DEVELOPER))
    assert "jobs:submit" in town.keys.authenticate(key, SOMEWHERE).scopes


def test_a_scope_that_the_creator_lacks_is_named_and_not_granted(town, developer):
    with pytest.raises(ForbiddenError) as problem:
        town.key(developer, "jobs:read", "keys:*")
    assert problem.value.code == "SCOPE_NOT_GRANTED"
    assert problem.value.details["scopes"] == ["keys:read", "keys:write"]
    with pytest.raises(InvalidError) as unknown:
        town.key(developer, "jobs:fly")
    assert unknown.value.code == "UNKNOWN_SCOPE"


@given(
    role=st.sampled_from(Role),
    session=st.booleans(),
    held=st.sets(st.sampled_from(ASKABLE)),
    asked=st.sets(st.sampled_from(ASKABLE), min_size=1),
)
def test_granted_scopes_are_always_a_subset_of_the_creators(role, session, held, asked):
    own = scopes_of(role)
    scopes = own if session else frozenset(s for s in SCOPES if grants(held, s) and grants(own, s))
    creator = Caller(
        organization_id="o", user_id="u", scopes=scopes, role=role, credential="session" if session else "key"
    )
    try:
        given_away = granted(creator, asked)
    except ForbiddenError:
        assert any(not creator.may(scope) for each in asked for scope in expand(each))
        return
    assert all(creator.may(scope) for each in given_away for scope in expand(each))
    assert {s for each in given_away for s in expand(each)} == {s for each in asked for s in expand(each)}


def test_a_key_makes_and_revokes_keys_only_with_the_scope(town, owner):
    weak = town.keys.authenticate(town.key(owner, "circuits:read"), SOMEWHERE)
    for act in (
        lambda: town.key(weak, "circuits:read"),
        lambda: town.issuer.list(weak, EVERYTHING),
        lambda: town.issuer.revoke(weak, weak.credential_id),
    ):
        with pytest.raises(ForbiddenError) as problem:
            act()
        assert problem.value.code == "MISSING_SCOPE"
    strong = town.keys.authenticate(town.key(owner, "keys:*", "circuits:read"), SOMEWHERE)
    town.key(strong, "circuits:read")
    with pytest.raises(ForbiddenError, match="jobs:read"):
        town.key(strong, "jobs:read")


def test_a_key_gives_what_it_names_today_and_a_person_whatever_their_role_will_grant(town, owner):
    strong = town.keys.authenticate(town.key(owner, "keys:*", "circuits:*"), SOMEWHERE)
    asked = CreateKey(name="CI", scopes=("circuits:*",))
    assert set(town.issuer.create(strong, asked).scopes) == expand("circuits:*")
    assert town.issuer.create(owner, asked).scopes == ("circuits:*",)


def test_revoked_expired_and_orphaned_keys_say_what_they_are(town, owner, developer):
    key, short = town.key(developer, "jobs:read"), town.clock.now() + timedelta(hours=1)
    expiring = town.key(developer, "jobs:read", expires_at=short)
    town.clock.turn(3_600)
    assert refused(town, expiring) == "API_KEY_EXPIRED"
    town.issuer.revoke(developer, town.keys.authenticate(key, SOMEWHERE).credential_id)
    assert refused(town, key) == "API_KEY_REVOKED"
    orphan = town.key(developer, "jobs:read")
    town.users.remove(owner, developer.user_id)
    assert refused(town, orphan) == "API_KEY_REVOKED"
    assert refused(town, "qsk_dev_" + "a" * 24) == "INVALID_API_KEY"


def test_a_key_whose_owner_is_gone_is_refused_even_before_it_is_tidied_up(town, owner, developer):
    key = town.key(developer, "jobs:read")
    _, kept = town.store.kept(developer.organization_id, developer.user_id)
    town.records.write(town.store.remove_user(kept))
    assert refused(town, key) == "API_KEY_REVOKED"


def test_nothing_is_kept_of_a_revoked_key_but_that_it_was(town, developer):
    made = town.issuer.create(developer, CreateKey(name="Secret plan", scopes=("jobs:read",)))
    town.issuer.revoke(developer, made.id)
    assert town.records.get(layout.key(made.key)).values == {"revoked": True}
    town.clock.turn(91 * 86_400)
    assert refused(town, made.key) == "INVALID_API_KEY"
    with pytest.raises(NotFoundError):
        town.issuer.revoke(developer, made.id)


def test_everyone_sees_their_own_keys_and_an_admin_all_of_the_organisations(town, owner, developer):
    other = town.found("stranger@example.com")
    town.key(owner, "jobs:read"), town.key(developer, "jobs:read"), town.key(other, "jobs:read")
    assert {key.user_id for key in town.issuer.list(developer, EVERYTHING).items} == {developer.user_id}
    listed = town.issuer.list(owner, EVERYTHING)
    assert {key.user_id for key in listed.items} == {owner.user_id, developer.user_id}
    assert listed.total == 2


def test_a_key_of_somebody_else_is_revoked_by_an_admin_but_not_from_below_or_from_elsewhere(town, owner, developer):
    admin = town.join(owner, "admin@example.com", Role.ADMIN)
    keys = {who: town.issuer.create(who, CreateKey(name="x", scopes=("jobs:read",))) for who in (owner, developer)}
    with pytest.raises(NotFoundError):
        town.issuer.revoke(developer, keys[owner].id)
    with pytest.raises(NotFoundError):
        town.issuer.revoke(town.found("stranger@example.com"), keys[developer].id)
    with pytest.raises(ForbiddenError) as problem:
        town.issuer.revoke(admin, keys[owner].id)
    assert problem.value.code == "USER_ABOVE_CALLER"
    town.issuer.revoke(admin, keys[developer].id)
    assert refused(town, keys[developer].key) == "API_KEY_REVOKED"


def test_the_last_use_of_a_key_is_shown_in_the_list(town, developer):
    made = town.issuer.create(developer, CreateKey(name="CI", scopes=("jobs:read",)))
    moment = town.clock.now()
    town.records.write(Put(Item(layout.bucket(made.id), {"tat": 1, "last_used": moment.isoformat()})))
    assert [key.last_used for key in town.issuer.list(developer, EVERYTHING).items] == [moment]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"rate_limit": 10_001}, "RATE_LIMIT_TOO_HIGH"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "EXPIRES_IN_THE_PAST"),
    ],
)
def test_what_a_key_cannot_have_is_refused(town, developer, fields, code):
    with pytest.raises(InvalidError) as problem:
        town.key(developer, "jobs:read", **fields)
    assert problem.value.code == code


def test_a_key_makes_no_key_that_may_ask_more_often_than_itself(town, owner):
    maker = town.keys.authenticate(town.key(owner, "*", rate_limit=50), SOMEWHERE)
    with pytest.raises(InvalidError) as problem:
        town.key(maker, "jobs:read", rate_limit=51)
    assert (problem.value.code, problem.value.details["limit"]) == ("RATE_LIMIT_TOO_HIGH", 50)
    for asked in ({}, {"rate_limit": 50}):
        assert town.keys.authenticate(town.key(maker, "jobs:read", **asked), SOMEWHERE).rate_limit == 50
    assert town.issuer.create(owner, CreateKey(name="x", scopes=("jobs:read",), rate_limit=10_000))


def test_a_user_has_a_hundred_keys_and_no_more_until_one_is_revoked(town, owner, developer):
    keys = [town.issuer.create(owner, CreateKey(name="x", scopes=("jobs:read",))) for _ in range(100)]
    with pytest.raises(ConflictError) as problem:
        town.key(owner, "jobs:read")
    assert problem.value.code == "TOO_MANY_KEYS"
    town.key(developer, "jobs:read")
    town.issuer.revoke(owner, keys[0].id)
    town.key(owner, "jobs:read")


def test_what_a_key_may_spend_stands_in_the_books_until_it_is_revoked(town, developer):
    made = town.issuer.create(developer, CreateKey(name="CI", scopes=("jobs:submit",), monthly_limit="2.50"))
    organization_id = developer.organization_id
    assert town.ledger.standing_of(organization_id, made.id).limit == Money.of("2.50")
    town.issuer.revoke(developer, made.id)
    assert town.records.get(ledger_layout.limit(organization_id, made.id)) is None


def test_a_user_who_was_removed_makes_no_key(town, owner, developer):
    town.users.remove(owner, developer.user_id)
    with pytest.raises(NotFoundError):
        town.key(developer, "jobs:read")


@pytest.mark.parametrize("limit", ["expiry", "money"])
def test_a_key_that_is_limited_makes_no_key_that_is_not(town, owner, limit):
    limits = (
        {"expires_at": town.clock.now() + timedelta(days=1)} if limit == "expiry" else {"monthly_limit": "1.00"}
    )
    made = town.issuer.create(owner, CreateKey(name="limited", scopes=("*",), **limits))
    caller = town.keys.authenticate(made.key, SOMEWHERE)
    with pytest.raises(ForbiddenError) as problem:
        town.issuer.create(caller, CreateKey(name="free", scopes=("jobs:read",)))
    assert problem.value.code == "KEY_IS_LIMITED"
