import re

import pytest

from ketbase.accounts.types import Origin
from ketbase.auth.admission import Admission
from ketbase.auth.buckets import EmptyBucketError
from ketbase.auth.types import ChangePassword, ForgotPassword, ResetPassword
from ketbase.errors import InvalidError, UnauthenticatedError
from tests.unit.auth.conftest import ADDRESS, HERE, PASSWORD

NEW = "a longer horse battery"


def works(house, password):
    try:
        house.grants.by_password(ADDRESS, password, Origin(address="198.51.100.9"))
    except InvalidError:
        return False
    return True


def test_a_change_needs_the_old_password_and_ends_the_other_sessions(house):
    other, mine = house.sign_in(), house.sign_in()
    caller = house.caller(mine)
    with pytest.raises(InvalidError) as refused:
        house.password_changes.change(caller, ChangePassword(old_password="wrong", new_password=NEW))
    assert refused.value.code == "WRONG_PASSWORD"
    house.password_changes.change(caller, ChangePassword(old_password=PASSWORD, new_password=NEW))
    house.grants.by_refresh_token(mine.refresh_token, HERE)
    with pytest.raises(InvalidError):
        house.grants.by_refresh_token(other.refresh_token, HERE)
    assert (works(house, NEW), works(house, PASSWORD)) == (True, False)
    assert "password.changed" in house.told()


def test_a_weak_password_changes_nothing(house):
    with pytest.raises(InvalidError) as refused:
        house.password_changes.change(house.caller(), ChangePassword(old_password=PASSWORD, new_password="short"))
    assert refused.value.code == "WEAK_PASSWORD"
    assert works(house, PASSWORD)


def test_the_old_password_cannot_be_guessed_for_long(house):
    caller = house.caller()
    for _ in range(10):
        with pytest.raises(InvalidError):
            house.password_changes.change(caller, ChangePassword(old_password="wrong", new_password=NEW))
    with pytest.raises(EmptyBucketError):
        house.password_changes.change(caller, ChangePassword(old_password=PASSWORD, new_password=NEW))


def forgotten(house):
    house.password_changes.forget(ForgotPassword(email=ADDRESS.upper()), HERE)
    return re.search(r"^([\w-]{43})$", house.mails()[-1]["text"], re.MULTILINE)[1]


def test_the_token_from_a_mail_sets_a_password_once_and_ends_all_sessions(house):
    granted = house.sign_in()
    token = forgotten(house)
    house.password_changes.reset(ResetPassword(token=token, new_password=NEW), HERE)
    assert works(house, NEW)
    with pytest.raises(InvalidError):
        house.grants.by_refresh_token(granted.refresh_token, HERE)
    with pytest.raises(InvalidError) as refused:
        house.password_changes.reset(ResetPassword(token=token, new_password=NEW), HERE)
    assert refused.value.code == "INVALID_RESET_TOKEN"
    assert house.told()[1:3] == ["password.reset_requested", "password.changed"]


def test_who_resets_a_password_by_mail_has_proved_their_address(house):
    assert not house.credentials.get("org_a", "user_ada").email_proved
    house.password_changes.reset(ResetPassword(token=forgotten(house), new_password=NEW), HERE)
    assert house.credentials.get("org_a", "user_ada").email_proved


def test_a_token_is_good_for_an_hour(house):
    token = forgotten(house)
    house.clock.turn(3_601)
    with pytest.raises(InvalidError):
        house.password_changes.reset(ResetPassword(token=token, new_password=NEW), HERE)


def test_a_token_is_over_when_the_password_is_changed_in_another_way(house):
    token = forgotten(house)
    house.password_changes.change(house.caller(), ChangePassword(old_password=PASSWORD, new_password=NEW))
    with pytest.raises(InvalidError) as refused:
        house.password_changes.reset(ResetPassword(token=token, new_password="the thief's horse battery"), HERE)
    assert refused.value.code == "INVALID_RESET_TOKEN"
    assert works(house, NEW)


def test_of_two_tokens_the_first_that_is_used_ends_the_other(house):
    first, second = forgotten(house), forgotten(house)
    house.password_changes.reset(ResetPassword(token=second, new_password=NEW), HERE)
    with pytest.raises(InvalidError):
        house.password_changes.reset(ResetPassword(token=first, new_password=NEW + "!"), HERE)


def admitted(house, granted):
    admission = Admission(house.keys, lambda: house.tokens, house.accounts, house.buckets)
    try:
        admission.by_bearer(granted.access_token, HERE)
    except UnauthenticatedError:
        return False
    return True


@pytest.mark.parametrize("way", ["change", "reset"])
def test_the_sessions_are_over_though_the_process_dies_before_it_ends_them(house, monkeypatch, way):
    other, mine = house.sign_in(), house.sign_in()
    reset = ResetPassword(token=forgotten(house), new_password=NEW)
    change = ChangePassword(old_password=PASSWORD, new_password=NEW)

    def die(*_, **__):
        raise MemoryError

    monkeypatch.setattr(house.sessions, "end_all", die)
    act = {
        "reset": lambda: house.password_changes.reset(reset, HERE),
        "change": lambda: house.password_changes.change(house.caller(mine), change),
    }[way]
    with pytest.raises(MemoryError):
        act()
    assert not admitted(house, other)
    with pytest.raises(InvalidError):
        house.grants.by_refresh_token(other.refresh_token, HERE)
    assert admitted(house, mine) == (way == "change")
    later = house.grants.by_password(ADDRESS, NEW, HERE)
    assert admitted(house, later)
    assert admitted(house, house.grants.by_refresh_token(later.refresh_token, HERE))


def test_a_weak_password_does_not_use_the_token_up(house):
    token = forgotten(house)
    with pytest.raises(InvalidError):
        house.password_changes.reset(ResetPassword(token=token, new_password="short"), HERE)
    house.password_changes.reset(ResetPassword(token=token, new_password=NEW), HERE)


def test_the_mail_goes_to_the_address_that_is_kept_and_the_store_holds_no_token_beside_it(house):
    token = forgotten(house)
    assert house.mails()[-1]["to"] == ADDRESS
    assert token not in str(house.records.query("org#org_a").items)


def test_nobody_learns_whether_an_address_is_somebodys(house):
    house.password_changes.forget(ForgotPassword(email="eve@example.com"), HERE)
    assert house.mails() == []
    assert house.told() == []


def test_one_address_gets_no_flood_of_mails(house):
    for number in range(30):
        house.password_changes.forget(ForgotPassword(email=ADDRESS), Origin(address=f"198.51.100.{number}"))
    assert len(house.mails()) == 3
    house.clock.turn(3_600)
    house.password_changes.forget(ForgotPassword(email=ADDRESS), HERE)
    assert len(house.mails()) == 4


@pytest.mark.parametrize("token", ["nonsense", "\0", "x" * 128])
def test_nonsense_resets_nothing(house, token):
    with pytest.raises(InvalidError):
        house.password_changes.reset(ResetPassword(token=token, new_password=NEW), HERE)
