import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketbase.accounts import layout
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.auth.buckets import KEPT, Buckets, EmptyBucketError, Rate
from tests.fakes import TurnedClock

HUNDRED = Rate.of_requests(100)


@pytest.fixture
def buckets(records, clock):
    return Buckets(records, clock)


def taken(buckets, times, rate=HUNDRED, who="key_a"):
    allowed = 0
    for _ in range(times):
        try:
            buckets.take(who, rate)
        except EmptyBucketError:
            continue
        allowed += 1
    return allowed


def test_a_full_bucket_allows_what_it_holds_and_then_what_comes_in(buckets, clock):
    assert taken(buckets, 150) == 100
    clock.turn(1)
    assert taken(buckets, 5) == 1
    clock.turn(10)
    assert taken(buckets, 50) == 10
    clock.turn(3_600)
    assert taken(buckets, 150) == 100


def test_a_thousand_requests_come_back_at_ten_a_second():
    assert Rate.of_requests(1_000).interval == 100_000


def test_an_answer_says_what_is_left_and_when_the_bucket_is_full(buckets, clock):
    now = int(clock.now().timestamp())
    first, second = buckets.take("key_a", HUNDRED), buckets.take("key_a", HUNDRED)
    assert (first.limit, first.remaining, first.full_at) == (100, 99, now + 1)
    assert (second.remaining, second.full_at) == (98, now + 2)


def test_who_is_refused_is_told_when_to_come_again(buckets, clock):
    taken(buckets, 100)
    with pytest.raises(EmptyBucketError) as refused:
        buckets.take("key_a", HUNDRED)
    assert (refused.value.code, refused.value.retry_after_s, refused.value.allowance.remaining) == (
        "RATE_LIMITED",
        1,
        0,
    )
    clock.turn(refused.value.retry_after_s)
    assert taken(buckets, 1) == 1


def test_each_has_a_bucket_of_their_own(buckets):
    taken(buckets, 100)
    assert taken(buckets, 100, who="key_b") == 100


def test_a_bucket_says_when_it_was_used_last(buckets, records, clock):
    taken(buckets, 3)
    clock.turn(0.5)
    taken(buckets, 1)
    assert records.get(layout.bucket("key_a")).values["last_used"] == "2026-01-01T00:00:00.500000Z"


def test_a_bucket_that_is_never_idle_does_not_fill_up_by_expiring(buckets, records, clock):
    rate = Rate(3, int(KEPT.total_seconds() * 1e5))
    allowed = taken(buckets, 5, rate)
    for _ in range(40):
        clock.turn(KEPT.total_seconds() * 0.05)
        allowed += taken(buckets, 5, rate)
    assert allowed == 3 + 20


def test_a_thousand_requests_from_twenty_threads_get_what_the_bucket_holds(records, clock):
    buckets = Buckets(records, clock)
    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(lambda _: taken(buckets, 1), range(1_000))) == 100


@settings(max_examples=50, deadline=None)
@given(
    capacity=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 5, allow_nan=False), min_size=1, max_size=80),
)
def test_no_window_of_time_allows_more_than_a_full_bucket_and_what_came_in(tmp_path_factory, capacity, pauses):
    clock = TurnedClock()
    store = SqliteRecords(tmp_path_factory.mktemp("bucket") / "records.db", clock)
    buckets, rate, allowed = Buckets(store, clock), Rate.of_requests(capacity), []
    for pause in pauses:
        clock.turn(pause)
        if taken(buckets, 1, rate):
            allowed.append(clock.now())
    store.close()
    for i, first in enumerate(allowed):
        for j in range(i, len(allowed)):
            came_in = (allowed[j] - first).total_seconds() * 1e6 / rate.interval
            assert j - i + 1 <= capacity + math.ceil(came_in)
