"""A store, a clock that stands still, and Argon2 so cheap that tests do not wait for it."""

import pytest
from argon2 import Parameters
from argon2.low_level import Type

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.auth.passwords import Passwords
from tests.fakes import TurnedClock

CHEAP = Parameters(type=Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def clock():
    return TurnedClock()


@pytest.fixture
def records(tmp_path, clock):
    store = SqliteRecords(tmp_path / "records.db", clock)
    yield store
    store.close()


@pytest.fixture(scope="session")
def passwords():
    return Passwords(CHEAP)
