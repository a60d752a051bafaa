"""The servers, one of each for a test session, and the clock that the contract suites turn."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests import servers
from tests.fakes import TurnedClock


@pytest.fixture(scope="session")
def ministack() -> Iterator[str]:
    with servers.ministack() as url:
        yield url


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    with servers.moto() as url:
        yield url


@pytest.fixture
def clock() -> TurnedClock:
    """In the far future, so that a server's own clock never finds an item expired."""
    return TurnedClock(datetime(2050, 1, 1, tzinfo=UTC))
