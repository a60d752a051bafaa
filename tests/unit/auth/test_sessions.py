from datetime import timedelta

import pytest

from ketbase.accounts.types import Origin
from ketbase.auth.sessions import ReusedError, Sessions
from ketbase.errors import NotFoundError, UnauthenticatedError
from tests.unit.auth.conftest import Meanwhile

HERE = Origin(address="203.0.113.7", agent="test")


@pytest.fixture
def sessions(records, clock):
    return Sessions(records, clock, idle=timedelta(hours=24), longest=timedelta(days=30))


@pytest.fixture
def opened(sessions):
    return sessions.open("org_a", "user_a", HERE)


def test_a_refresh_token_is_good_once_and_gives_the_next(sessions, opened, clock):
    clock.turn(60)
    second = sessions.refresh(opened.refresh_token, Origin(address="198.51.100.1"))
    assert second.session.id == opened.session.id
    assert second.session.last_used == clock.now()
    assert second.session.address == "198.51.100.1"
    sessions.refresh(second.refresh_token, HERE)


def test_a_used_refresh_token_is_known_as_such(sessions, opened):
    sessions.refresh(opened.refresh_token, HERE)
    with pytest.raises(ReusedError) as reused:
        sessions.refresh(opened.refresh_token, HERE)
    assert reused.value.session.id == opened.session.id


def test_of_two_who_use_a_token_at_once_one_gets_the_next(sessions, opened, records, clock):
    won = []
    slow = Meanwhile(records, lambda: won.append(sessions.refresh(opened.refresh_token, HERE)))
    late = Sessions(slow, clock, idle=timedelta(hours=24), longest=timedelta(days=30))
    with pytest.raises(ReusedError):
        late.refresh(opened.refresh_token, HERE)
    sessions.refresh(won[0].refresh_token, HERE)


def test_a_refresh_does_not_bring_a_session_back_that_ended_meanwhile(sessions, opened, records, clock):
    slow = Meanwhile(records, lambda: sessions.end(opened.session))
    late = Sessions(slow, clock, idle=timedelta(hours=24), longest=timedelta(days=30))
    with pytest.raises(ReusedError):
        late.refresh(opened.refresh_token, HERE)
    assert list(sessions.of_user("user_a")) == []


def test_the_store_holds_no_part_of_a_refresh_token(sessions, opened, records):
    kept = str(records.query("user#user_a").items)
    family, token = opened.refresh_token.split(".")[2:]
    assert family not in kept
    assert token not in kept


@pytest.mark.parametrize(
    "nonsense", ["", ".", "...", "a.b.c.d", "user_a.{id}.guess.guess", "ü.{id}.x.y", "x" * 5_000]
)
def test_nonsense_ends_nobodys_session(sessions, opened, nonsense):
    with pytest.raises(UnauthenticatedError) as refused:
        sessions.refresh(nonsense.format(id=opened.session.id), HERE)
    assert refused.value.code == "INVALID_REFRESH_TOKEN"
    sessions.refresh(opened.refresh_token, HERE)


def test_a_session_lives_a_day_after_its_last_refresh(sessions, opened, clock):
    clock.turn(23 * 3_600)
    second = sessions.refresh(opened.refresh_token, HERE)
    clock.turn(23 * 3_600)
    third = sessions.refresh(second.refresh_token, HERE)
    clock.turn(24 * 3_600 + 1)
    with pytest.raises(UnauthenticatedError):
        sessions.refresh(third.refresh_token, HERE)


def test_a_session_ends_after_a_month_however_often_it_is_refreshed(sessions, opened, clock):
    token = opened.refresh_token
    for _ in range(60):
        clock.turn(12 * 3_600)
        token = sessions.refresh(token, HERE).refresh_token
    clock.turn(1)
    with pytest.raises(UnauthenticatedError):
        sessions.refresh(token, HERE)


def test_ending_all_sessions_of_a_user_spares_others_and_the_one_that_asks(sessions, opened):
    mine = [sessions.open("org_a", "user_a", HERE).session.id for _ in range(3)]
    theirs = sessions.open("org_b", "user_b", HERE)
    assert sessions.end_all("user_a", spare=mine[1]) == 3
    assert [each.id for each in sessions.of_user("user_a")] == [mine[1]]
    assert [each.id for each in sessions.of_user("user_b")] == [theirs.session.id]


def test_a_user_finds_no_session_of_another(sessions, opened):
    with pytest.raises(NotFoundError):
        sessions.get("user_b", opened.session.id)


def test_a_session_ends_once(sessions, opened):
    assert sessions.end(opened.session)
    assert not sessions.end(opened.session)
    with pytest.raises(UnauthenticatedError):
        sessions.refresh(opened.refresh_token, HERE)
