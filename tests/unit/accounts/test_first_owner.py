import pytest
from typer.testing import CliRunner

from ketbase.accounts.first_owner import FirstOwner
from ketbase.accounts.founding import Founding
from ketbase.errors import ConflictError, InvalidError, NotFoundError
from ketbase.local.cli import app
from tests.unit.accounts.conftest import PASSWORD, SOMEWHERE


@pytest.fixture
def first_owner(town):
    Founding(town.records, town.clock).found()
    return FirstOwner(town.records, town.store, town.credentials, town.passwords, town.sessions, town.clock)


def hash_of(town, email):
    user = town.store.user_by_email(email)
    return town.credentials.get(user.organization_id, user.id).password_hash


def test_the_first_owner_gets_an_address_and_a_password(town, first_owner):
    first_owner.sign_in_with("olga@example.com", PASSWORD)
    assert town.passwords.verify(hash_of(town, "olga@example.com"), PASSWORD)


def test_a_second_time_replaces_both_and_ends_the_sessions(town, first_owner):
    first_owner.sign_in_with("olga@example.com", PASSWORD)
    user = town.store.user_by_email("olga@example.com")
    town.sessions.open(user.organization_id, user.id, SOMEWHERE)
    first_owner.sign_in_with("owner@example.com", "another long password")
    assert town.store.user_by_email("olga@example.com") is None
    assert town.store.user_by_email("owner@example.com").id == user.id
    assert town.passwords.verify(hash_of(town, "owner@example.com"), "another long password")
    assert list(town.sessions.of_user(user.id)) == []


def test_the_same_address_may_be_written_otherwise(town, first_owner):
    first_owner.sign_in_with("olga@example.com", PASSWORD)
    first_owner.sign_in_with("Olga@Example.com", PASSWORD)
    assert town.store.user_by_email("olga@example.com").email == "Olga@Example.com"


def test_somebody_elses_address_and_an_easy_password_are_refused(town, first_owner):
    town.sign_up("taken@example.com")
    with pytest.raises(ConflictError):
        first_owner.sign_in_with("TAKEN@example.com", PASSWORD)
    with pytest.raises(InvalidError):
        first_owner.sign_in_with("olga@example.com", "12345678")


def test_an_installation_without_a_first_owner_says_how_to_make_one(town):
    nobody = FirstOwner(town.records, town.store, town.credentials, town.passwords, town.sessions, town.clock)
    with pytest.raises(NotFoundError, match="bootstrap"):
        nobody.sign_in_with("olga@example.com", PASSWORD)


def test_the_command_takes_addresses_only():
    answer = CliRunner().invoke(app, ["owner", "--email", "olga"], env={"KETBASE_OWNER_PASSWORD": PASSWORD})
    assert answer.exit_code == 2
    assert "no mail address" in answer.output
