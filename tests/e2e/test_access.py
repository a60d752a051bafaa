"""Every route lets in whom the OpenAPI document says, and nobody else; another tenant's things are 404.

The routes come from the document: a new one is tried as soon as it is there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from httpx2 import Response

from ketbase.accounts.roles import SCOPES, Role, grants, scopes_of
from tests.e2e.installation import Installation, Member, Route, found, installation
from tests.e2e.making import body_of, filled, maker

REFUSALS = (401, 403, 404)


@dataclass
class House:
    """One organisation with a member of each role, and what they made."""

    owner: Member
    members: dict[Role, Member]
    keys: dict[Role, dict[str, str]]
    made: dict[str, str] = field(default_factory=dict)

    def ids(self, route: Route, caller: Member) -> dict[str, str]:
        """Give what a route is about: something new, where the route may change it."""
        return {name: self._one(name, caller, new=route.changes) for name in route.parameters}

    def _one(self, name: str, caller: Member, *, new: bool) -> str:
        if new:
            return maker(name).make(self.owner, caller)
        place = f"{name} of {caller.user_id}"
        if place not in self.made:
            self.made[place] = maker(name).make(self.owner, caller)
        return self.made[place]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("access")
    with installation(folder, KETBASE_DEFAULT_MONTHLY_LIMIT="1000000") as made:
        yield made


@pytest.fixture(scope="module")
def ours(house: Installation) -> House:
    return populated(house)


@pytest.fixture(scope="module")
def theirs(house: Installation) -> House:
    return populated(house)


def populated(house: Installation) -> House:
    owner = found(house)
    members = {Role.OWNER: owner} | {role: owner.invite(role) for role in Role if role is not Role.OWNER}
    keys = {role: member.key(sorted(scopes_of(role))) for role, member in members.items()}
    return House(owner, members, keys)


def call(house: Installation, route: Route, credential: dict[str, str] | None, ids: dict[str, str]) -> Response:
    return house.call(route.method, filled(route, ids), credential, **body_of(house, route))


def code(answer: Response) -> str:
    """The code of an error, in the envelope or in OAuth's own form."""
    is_json = answer.content and answer.headers.get("content-type") == "application/json"
    problem = (answer.json() or {}).get("error") if is_json else None
    return str(problem["code"] if isinstance(problem, dict) else problem or "")


class Refusals:
    """Collects what went otherwise than it should, over all routes."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.tried = 0

    def expect(self, what: str, answer: Response, *statuses: int, code_is: str = "") -> None:
        self.tried += 1
        if answer.status_code not in statuses or (code_is and code(answer) != code_is):
            wanted = " or ".join(map(str, statuses))
            self.wrong.append(f"{what}: {answer.status_code} {answer.text[-220:]}, and not {wanted} {code_is}")

    def expect_let_in(self, what: str, answer: Response) -> None:
        self.tried += 1
        if answer.status_code in REFUSALS or answer.status_code >= 500:
            self.wrong.append(f"{what} was refused: {answer.status_code} {answer.text[-220:]}")
        if code(answer) == "VALIDATION_ERROR":
            self.wrong.append(
                f"{what}: the body of the test is not one that it takes; say a better one in BODIES of "
                f"tests/e2e/making.py: {answer.text[:300]}"
            )

    def assert_none(self, at_least: int = 1) -> None:
        assert not self.wrong, "\n".join(["", *self.wrong])
        assert self.tried >= at_least


def secured(house: Installation) -> list[Route]:
    return [route for route in house.routes if route.kind != "public"]


# --- Who shows nothing good ---


def expired_session(owner: Member) -> dict[str, str]:
    with two_hours_ago(owner.invite("admin")) as member:
        return member.sign_in()


def expired_key(owner: Member) -> dict[str, str]:
    with two_hours_ago(owner.invite("admin")) as member:
        member.session = member.sign_in()
        return member.key(["circuits:read"], expires_at=(owner.house.clock.now() + timedelta(hours=1)).isoformat())


@contextmanager
def two_hours_ago(member: Member) -> Iterator[Member]:
    """Put the clock back; for somebody who has done nothing yet, since buckets do not like that."""
    member.house.clock.shift = timedelta(hours=-2)
    try:
        yield member
    finally:
        member.house.clock.shift = timedelta()


def revoked_key(owner: Member) -> dict[str, str]:
    made = owner.new_key(["*"])
    owner.data_of("DELETE", f"/v1/api-keys/{made['id']}")
    return {"X-API-Key": made["key"]}


def key_of_a_removed_user(owner: Member) -> dict[str, str]:
    gone = owner.invite("admin")
    credential = gone.key(["circuits:read"])
    owner.data_of("DELETE", f"/v1/users/{gone.user_id}")
    return credential


def session_of_a_removed_user(owner: Member) -> dict[str, str]:
    gone = owner.invite("admin")
    owner.data_of("DELETE", f"/v1/users/{gone.user_id}")
    return gone.session


def ended_session(owner: Member) -> dict[str, str]:
    tokens = owner.tokens()
    owner.house.call("POST", "/v1/auth/revoke", data={"token": tokens["refresh_token"]})
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def forged_session(owner: Member) -> dict[str, str]:
    head, claims, signature = owner.session["Authorization"].split(".")
    return {"Authorization": f"{head}.{claims}.{signature[:-4]}AAAA"}


BAD: dict[str, Callable[[Member], dict[str, str]]] = {
    "nothing": lambda _owner: {},
    "an unknown key": lambda _owner: {"X-API-Key": f"qsk_live_{'a' * 24}"},
    "no key at all": lambda _owner: {"X-API-Key": "nonsense"},
    "a revoked key": revoked_key,
    "an expired key": expired_key,
    "a removed user's key": key_of_a_removed_user,
    "an expired token": expired_session,
    "an ended session's token": ended_session,
    "a removed user's token": session_of_a_removed_user,
    "a forged token": forged_session,
    "an unsigned token": lambda _owner: {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c2VyXzEifQ."},
    "Basic": lambda _owner: {"Authorization": "Basic dXNlcjpwYXNz"},
}


@pytest.mark.parametrize("shown", BAD)
def test_who_shows_nothing_good_gets_401_from_every_route_but_the_public_ones(
    house: Installation, ours: House, shown: str
) -> None:
    credential = BAD[shown](ours.owner)
    refusals = Refusals()
    for route in secured(house):
        # Of things that are there, so that 401 hides no 404.
        refusals.expect(f"{route} with {shown}", call(house, route, credential, some_ids(ours, route)), 401)
    refusals.assert_none(at_least=30)


@pytest.mark.parametrize("shown", BAD)
def test_public_routes_do_not_care_what_is_shown(house: Installation, ours: House, shown: str) -> None:
    credential = BAD[shown](ours.owner)
    for route in house.routes:
        if route.kind == "public":
            assert route.parameters == []
            with_it, without = (call(house, route, each, {}) for each in (credential, None))
            assert (with_it.status_code, code(with_it)) in {
                (without.status_code, code(without)),
                # The second one is the second with the same address, too.
                (201, ""),
                (409, "EMAIL_IN_USE"),
            }, str(route)


def some_ids(of: House, route: Route) -> dict[str, str]:
    return {name: of._one(name, of.owner, new=False) for name in route.parameters}


# --- Who shows too little ---


def test_a_key_with_every_scope_but_the_one_gets_403(house: Installation, ours: House) -> None:
    keys = {scope: ours.owner.key(sorted(SCOPES - {scope})) for scope in SCOPES}
    refusals = Refusals()
    for route in secured(house):
        if route.scope:
            answer = call(house, route, keys[route.scope], some_ids(ours, route))
            refusals.expect(f"{route} without {route.scope}", answer, 403, code_is="MISSING_SCOPE")
    refusals.assert_none(at_least=20)


def test_a_key_is_never_a_session(house: Installation, ours: House) -> None:
    refusals = Refusals()
    for route in secured(house):
        if route.kind == "session":
            answer = call(house, route, ours.keys[Role.OWNER], some_ids(ours, route))
            refusals.expect(f"{route} with a key", answer, 403, code_is="SESSION_REQUIRED")
    refusals.assert_none(at_least=5)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("shown", ["session", "key"])
def test_a_role_opens_what_its_scopes_say_and_nothing_else(
    house: Installation, ours: House, role: Role, shown: str
) -> None:
    member = ours.members[role]
    credential = member.session if shown == "session" else ours.keys[role]
    refusals = Refusals()
    for route in secured(house):
        what = f"{route} by {role} with a {shown}"
        if shown == "key" and route.kind == "session":
            continue
        if route.scope and not grants(scopes_of(role), route.scope):
            answer = call(house, route, credential, some_ids(ours, route))
            refusals.expect(what, answer, 403, code_is="MISSING_SCOPE")
            continue
        answer = call(house, route, credential, ours.ids(route, member))
        if shown == "key" and not route.scope and code(answer) == "MISSING_SCOPE":
            # What people may do who signed in, a key may do with a scope for it.
            missing = answer.json()["error"]["details"]["scope"]
            refusals.expect(
                f"{what}, which grants {missing}", answer, *([] if grants(scopes_of(role), missing) else [403])
            )
            continue
        refusals.expect_let_in(what, answer)
    refusals.assert_none(at_least=20)


# --- Whose it is not ---


@pytest.mark.parametrize("shown", ["session", "key"])
def test_things_of_another_tenant_are_404_to_its_mightiest_user(
    house: Installation, ours: House, theirs: House, shown: str
) -> None:
    intruder = theirs.members[Role.OWNER]
    credential = intruder.session if shown == "session" else theirs.keys[Role.OWNER]
    refusals = Refusals()
    for route in secured(house):
        if shown == "key" and route.kind == "session":
            continue
        for name in route.parameters:
            if maker(name).tenants:
                ids = theirs.ids(route, intruder) | {name: ours._one(name, ours.owner, new=route.changes)}
                answer = call(house, route, credential, ids)
                refusals.expect(f"{route} with another's {name}", answer, 404)
    refusals.assert_none(at_least=10)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER, Role.ADMIN])
def test_things_of_another_tenant_are_never_more_than_404_to_anybody(
    house: Installation, ours: House, theirs: House, role: Role
) -> None:
    refusals = Refusals()
    for route in secured(house):
        allowed = not route.scope or grants(scopes_of(role), route.scope)
        for name in route.parameters:
            if maker(name).tenants:
                ids = {each: theirs._one(each, theirs.owner, new=False) for each in route.parameters}
                ids[name] = ours._one(name, ours.owner, new=route.changes)
                answer = call(house, route, theirs.members[role].session, ids)
                refusals.expect(f"{route} by {role}", answer, 404 if allowed else 403)
    refusals.assert_none(at_least=10)


def test_after_all_that_nothing_of_ours_is_gone(house: Installation, ours: House, theirs: House) -> None:
    test_things_of_another_tenant_are_404_to_its_mightiest_user(house, ours, theirs, "session")
    for route in secured(house):
        if route.method == "GET" and route.parameters:
            answer = call(house, route, ours.owner.session, some_ids(ours, route))
            assert answer.status_code not in REFUSALS, f"{route}: {answer.text}"


# --- The document ---


def test_every_scope_that_a_route_asks_for_is_some_roles(house: Installation) -> None:
    assert {route.scope for route in secured(house)} - {""} <= SCOPES


def test_the_document_tells_of_every_route(house: Installation) -> None:
    told = {str(route) for route in house.routes}
    served: set[str] = set()
    for module in house.functions.values():
        for route in getattr(getattr(module, "router", None), "routes", ()):
            if route.include_in_schema:
                served |= {f"{method} {route.path}" for method in route.methods}
    assert told == served
