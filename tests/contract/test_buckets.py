"""A bucket of 100 and a thousand requests from twenty threads, over both stores of records and a clock that runs."""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ketbase.adapters.clock import SystemClock
from ketbase.adapters.records.dynamodb import DynamoRecords
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.auth.buckets import Buckets, EmptyBucketError, Rate
from ketbase.ports.records import Records
from tests.servers import aws

THREADS, REQUESTS = 20, 1_000


@pytest.fixture(params=["sqlite", "dynamodb"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Records]]:
    """Opens the same store again, as another process would."""
    if request.param == "dynamodb":
        url, table = request.getfixturevalue("ministack"), request.getfixturevalue("table")
        yield lambda: DynamoRecords(aws("dynamodb", url, max_pool_connections=THREADS), table, SystemClock())
        return
    stores: list[SqliteRecords] = []

    def open_sqlite() -> Records:
        stores.append(SqliteRecords(tmp_path / "records.db", SystemClock()))
        return stores[-1]

    yield open_sqlite
    for store in stores:
        store.close()


def test_a_bucket_never_allows_more_than_it_holds_and_what_came_in(opened: Callable[[], Records]) -> None:
    doors = [Buckets(opened(), SystemClock()) for _ in range(4)]
    rate = Rate.of_requests(100)

    def knock(number: int) -> bool:
        try:
            doors[number % len(doors)].take("key_a", rate)
        except EmptyBucketError:
            return False
        return True

    began = time.time()
    with ThreadPoolExecutor(THREADS) as threads:
        allowed = sum(threads.map(knock, range(REQUESTS)))
    elapsed = time.time() - began
    came_in = math.ceil(elapsed * 1_000_000 / rate.interval)
    assert 100 <= allowed <= 100 + came_in, f"{allowed} in {elapsed:.1f} s"
