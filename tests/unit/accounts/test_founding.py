import pytest

from ketbase.accounts.founding import Founding
from ketbase.accounts.keys import Keys, new_key
from ketbase.accounts.keystore import KeyStore
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller, Origin
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.errors import InvalidError, UnauthenticatedError
from tests.fakes import TurnedClock


@pytest.fixture
def path(tmp_path):
    return tmp_path / "r.db"


@pytest.fixture
def records(path):
    return SqliteRecords(path, TurnedClock())


@pytest.fixture
def founding(records):
    return Founding(records, TurnedClock())


@pytest.fixture
def authenticate(records):
    keys = Keys(KeyStore(records), AccountStore(records), TurnedClock())
    return lambda key: keys.authenticate(key, Origin())


def test_the_first_owner_is_made_once_and_may_do_everything(founding, authenticate):
    key = founding.found()
    assert founding.found() is None
    assert authenticate(key).may("circuits:delete")


def test_a_fixed_key_is_taken_and_a_later_one_added(founding, authenticate):
    first, second = new_key("dev"), new_key("test")
    assert founding.found(first) == first
    assert founding.found(first) is None
    assert founding.found(second) == second
    assert authenticate(first).organization_id == authenticate(second).organization_id


@pytest.mark.parametrize("key", ["", "qsk_dev_short", "qsk_prod_" + "a" * 24, "qsk_dev_" + "-" * 24])
def test_what_is_no_key_founds_nothing_and_opens_nothing(founding, authenticate, key):
    with pytest.raises(InvalidError):
        founding.found(key)
    with pytest.raises(UnauthenticatedError):
        authenticate(key)


def test_a_key_that_was_never_given_opens_nothing(founding, authenticate):
    founding.found()
    with pytest.raises(UnauthenticatedError):
        authenticate(new_key("dev"))


def test_the_key_itself_is_not_in_the_store(founding, path):
    key = founding.found()
    kept = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert key.encode() not in kept


@pytest.mark.parametrize(
    ("scopes", "wanted", "may"),
    [
        ({"circuits:read"}, "circuits:read", True),
        ({"circuits:*"}, "circuits:delete", True),
        ({"*"}, "jobs:submit", True),
        ({"circuits:read"}, "circuits:write", False),
        ({"circuits:*"}, "jobs:read", False),
        (set(), "circuits:read", False),
    ],
)
def test_a_scope_grants_itself_its_resource_or_everything(scopes, wanted, may):
    assert Caller(organization_id="o", user_id="u", scopes=frozenset(scopes)).may(wanted) is may
