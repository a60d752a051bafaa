"""The servers, one of each for a test session, and the clock that the contract suites turn."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests import servers
from tests.fakes import TurnedClock

TABLES = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def no_proxy() -> Iterator[None]:
    """Whatever proxy this machine uses has no part in traffic with itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("no_proxy", "127.0.0.1,localhost")
        yield


@pytest.fixture(scope="session")
def ministack() -> Iterator[str]:
    with servers.ministack() as url:
        yield url


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    with servers.moto() as url:
        yield url


@pytest.fixture(scope="session")
def dynamodb(ministack: str) -> Any:
    """A client of a DynamoDB."""
    return servers.aws("dynamodb", ministack, max_pool_connections=20)


@pytest.fixture
def table(dynamodb: Any) -> str:
    """The name of an empty table of records."""
    name = f"contract-{next(TABLES)}"
    servers.create_table(dynamodb, name)
    return name


@pytest.fixture
def clock() -> TurnedClock:
    """In the far future, so that a server's own clock never finds an item expired."""
    return TurnedClock(datetime(2050, 1, 1, tzinfo=UTC))
