import pytest
from argon2.profiles import CHEAPEST, RFC_9106_LOW_MEMORY

from ketbase.accounts.types import Origin
from ketbase.auth.buckets import EmptyBucketError
from ketbase.auth.passwords import Passwords
from ketbase.auth.types import TokenRequest
from ketbase.errors import ForbiddenError, InvalidError
from tests.unit.auth.conftest import ADDRESS, HERE, PASSWORD, House


def refused(house, code="INVALID_GRANT", **asked):
    with pytest.raises(InvalidError) as problem:
        house.grants.grant(TokenRequest(**asked), HERE)
    assert problem.value.code == code
    return problem.value.message


def test_a_password_gives_an_access_token_and_a_refresh_token(house):
    granted = house.grants.grant(
        TokenRequest(grant_type="password", email="  ADA@example.com", password=PASSWORD), HERE
    )
    claims = house.tokens.verify(granted.access_token)
    assert (claims.sub, claims.org_id, claims.email, claims.role) == ("user_ada", "org_a", ADDRESS, "developer")
    assert granted.scope.split() == list(claims.scopes)
    assert (granted.token_type, granted.expires_in) == ("Bearer", 3_600)
    assert house.told() == ["session.created"]


def test_a_username_is_an_address(house):
    assert house.grants.grant(TokenRequest(grant_type="password", username=ADDRESS, password=PASSWORD), HERE)


def test_a_wrong_password_and_a_wrong_address_are_told_nothing_but_the_same(house):
    told = {
        refused(house, grant_type="password", email=email, password=password)
        for email, password in [
            (ADDRESS, "wrong"),
            ("eve@example.com", PASSWORD),
            (ADDRESS, "x" * 200_000),
            ("\0", "\0"),
        ]
    }
    assert len(told) == 1
    assert house.told() == ["session.refused", "session.refused"]


def test_who_has_no_password_cannot_sign_in_with_one(house):
    house.move_in("user_bob", "bob@example.com", None)
    refused(house, grant_type="password", email="bob@example.com", password=PASSWORD)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"grant_type": "password"}, "INVALID_REQUEST"),
        ({"grant_type": "password", "email": ADDRESS}, "INVALID_REQUEST"),
        ({"grant_type": "refresh_token"}, "INVALID_REQUEST"),
        ({"grant_type": "client_credentials"}, "UNSUPPORTED_GRANT_TYPE"),
        ({"grant_type": "refresh_token", "refresh_token": "nonsense"}, "INVALID_GRANT"),
    ],
)
def test_other_requests_are_refused_as_rfc_6749_says(house, asked, code):
    refused(house, code, **asked)


def test_whether_a_user_exists_changes_nothing_in_what_the_store_is_asked_for(house):
    work = {}
    for email in (ADDRESS, "nobody@example.com"):
        asked = Counted(house.records)
        for part in (house.grants, house.accounts, house.credentials):
            part._records = asked
        refused(house, grant_type="password", email=email, password="wrong")
        work[email] = asked.calls
    assert work[ADDRESS] == work["nobody@example.com"] != []


class Counted:
    """Remembers what a store was asked for, without the keys."""

    def __init__(self, records):
        self._records = records
        self.calls = []

    def __getattr__(self, name):
        def call(*arguments, **named):
            answer = getattr(self._records, name)(*arguments, **named)
            self.calls.append((name, len(arguments)))
            return answer

        return call


def wrong(house, email, place):
    with pytest.raises(InvalidError):
        house.grants.by_password(email, "wrong", Origin(address=place))


def test_ten_wrong_tries_close_an_address_to_their_place_and_to_no_other(house):
    for email in (ADDRESS, "nobody@example.com"):
        for _ in range(10):
            wrong(house, email, "198.51.100.1")
        with pytest.raises(EmptyBucketError) as closed:
            house.grants.by_password(email, PASSWORD, Origin(address="198.51.100.1"))
        assert 1 <= closed.value.retry_after_s <= 90
    house.sign_in()
    house.clock.turn(90)
    house.grants.by_password(ADDRESS, PASSWORD, Origin(address="198.51.100.1"))


def test_a_hundred_wrong_tries_from_everywhere_close_an_address(house):
    for number in range(100):
        wrong(house, ADDRESS, f"198.51.100.{number}")
    with pytest.raises(EmptyBucketError):
        wrong(house, ADDRESS, "203.0.113.99")
    house.clock.turn(9)
    house.sign_in()


def test_a_place_that_is_closed_takes_no_tries_from_the_others(house):
    for _ in range(200):
        with pytest.raises((InvalidError, EmptyBucketError)):
            house.grants.by_password(ADDRESS, "wrong", Origin(address="198.51.100.1"))
    house.sign_in()


def test_who_signs_in_rightly_may_do_so_as_often_as_they_like(house):
    for _ in range(15):
        house.sign_in()
    house.enrol()
    for _ in range(15):
        with pytest.raises(ForbiddenError):
            house.sign_in()


def test_whoever_has_a_network_of_ipv6_is_one_place(house):
    for number in range(10):
        wrong(house, ADDRESS, f"2001:db8:1:2::{number:x}")
    with pytest.raises(EmptyBucketError):
        wrong(house, ADDRESS, "2001:db8:1:2:ffff::1")
    wrong(house, ADDRESS, "2001:db8:1:3::1")


def test_one_place_cannot_try_many_addresses(house):
    for number in range(100):
        with pytest.raises(InvalidError):
            house.grants.by_password(f"user{number}@example.com", "wrong", HERE)
    with pytest.raises(EmptyBucketError):
        house.grants.by_password("somebody@example.com", "wrong", HERE)
    house.grants.by_password(ADDRESS, PASSWORD, Origin(address="198.51.100.1"))


def test_a_hash_made_with_older_parameters_is_made_anew(tmp_path):
    house = House(tmp_path / "records.db")
    before = house.credentials.get("org_a", "user_ada").password_hash
    house.passwords = house.grants._passwords = Passwords(RFC_9106_LOW_MEMORY)
    house.sign_in()
    after = house.credentials.get("org_a", "user_ada").password_hash
    assert before != after
    assert house.passwords.verify(after, PASSWORD)
    assert Passwords(CHEAPEST).outdated(after)


def test_a_refresh_carries_the_session_on(house):
    first = house.sign_in()
    second = house.grants.by_refresh_token(first.refresh_token, HERE)
    assert house.tokens.verify(first.access_token).sid == house.tokens.verify(second.access_token).sid
    assert second.refresh_token != first.refresh_token


def test_a_refresh_token_that_comes_twice_ends_the_session_for_everybody(house):
    first = house.sign_in()
    second = house.grants.by_refresh_token(first.refresh_token, HERE)
    refused(house, grant_type="refresh_token", refresh_token=first.refresh_token)
    refused(house, grant_type="refresh_token", refresh_token=second.refresh_token)
    assert list(house.sessions.of_user("user_ada")) == []
    assert house.told() == ["session.created", "session.reuse_detected"]


def test_a_removed_user_refreshes_nothing(house):
    granted = house.sign_in()
    house.records.write(house.accounts.remove_user(house.accounts.kept("org_a", "user_ada")[1]))
    refused(house, grant_type="refresh_token", refresh_token=granted.refresh_token)
    assert list(house.sessions.of_user("user_ada")) == []


def test_a_password_that_changes_while_it_is_verified_opens_no_session(house):
    verify = house.passwords.verify

    def change_meanwhile(kept, password):
        known = house.credentials.get("org_a", "user_ada")
        house.records.write(house.credentials.change(known, password_hash=house.passwords.hash("another password")))
        return verify(kept, password)

    house.passwords.verify = change_meanwhile
    refused(house, grant_type="password", email=ADDRESS, password=PASSWORD)
    assert list(house.sessions.of_user("user_ada")) == []


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_a_token_that_is_given_back_ends_its_session(house, kind):
    granted = house.sign_in()
    house.own_sessions.revoke(getattr(granted, kind), HERE)
    refused(house, grant_type="refresh_token", refresh_token=granted.refresh_token)
    house.own_sessions.revoke(getattr(granted, kind), HERE)
    house.own_sessions.revoke("nonsense", HERE)
    assert house.told() == ["session.created", "session.revoked"]


def test_people_see_and_end_their_own_sessions(house):
    elsewhere, here = house.sign_in(), house.caller()
    listed = house.own_sessions.list(here)
    assert [each.current for each in listed] == [False, True]
    house.own_sessions.end(here, listed[0].id)
    refused(house, grant_type="refresh_token", refresh_token=elsewhere.refresh_token)
    assert len(house.own_sessions.list(here)) == 1


def test_a_second_factor_is_asked_for_once_the_password_is_right(house):
    device, _ = house.enrol()
    house.clock.turn(60)
    refused(house, grant_type="password", email=ADDRESS, password="wrong")
    with pytest.raises(ForbiddenError) as asked:
        house.sign_in()
    assert asked.value.code == "MFA_REQUIRED"
    house.sign_in(otp=house.code(device))


def test_a_code_is_taken_once_and_so_is_one_from_before_it(house):
    device, _ = house.enrol()
    house.clock.turn(90)
    code, earlier = house.code(device), house.code(device, -1)
    house.sign_in(otp=code)
    for used in (code, earlier):
        with pytest.raises(InvalidError):
            house.sign_in(otp=used)
    house.clock.turn(30)
    house.sign_in(otp=house.code(device))


def test_the_code_that_turned_the_factor_on_signs_nobody_in(house):
    device, _ = house.enrol()
    with pytest.raises(InvalidError):
        house.sign_in(otp=house.code(device))


@pytest.mark.parametrize("code", ["000000", "", "12345", "abcdef", "１２３４５６", "0" * 16])
def test_a_wrong_code_is_refused(house, code):
    house.enrol()
    house.clock.turn(90)
    with pytest.raises((InvalidError, ForbiddenError)):
        house.sign_in(otp=code)


def test_a_recovery_code_signs_in_once_however_it_is_typed(house):
    _, codes = house.enrol()
    assert len(set(codes)) == 10
    house.sign_in(recovery_code=codes[3].lower().replace("-", " "))
    with pytest.raises(InvalidError):
        house.sign_in(recovery_code=codes[3])
    house.sign_in(recovery_code=codes[4])
    with pytest.raises(InvalidError):
        house.sign_in(recovery_code="AAAA-BBBB-CCCC-DDDD")


def test_no_secret_is_kept_in_the_clear(house):
    device, codes = house.enrol()
    granted = house.sign_in(recovery_code=codes[0])
    kept = "".join(
        str(house.records.query(partition).items) for partition in ("org#org_a", "user#user_ada", "installation")
    )
    assert "totp_secret" in kept
    for secret in (device.secret, PASSWORD, *codes, *granted.refresh_token.split(".")[2:]):
        assert secret not in kept
