"""A simulation goes to the first lane that holds it, and is refused where none does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketbase.backends.catalog import backends
from ketbase.backends.lanes import CAREFUL, DOUBT, Lane, Lanes, Limits, Need
from ketbase.errors import InvalidCircuitError

AER = backends()["aer"]
ON_GPU = AER.model_copy(update={"capabilities": AER.capabilities.model_copy(update={"has_gpu": True})})
FUNCTION = Limits(memory_mb=2_048, seconds=890)
BATCH = Limits(memory_mb=120_000, seconds=14_340)
GPU = Limits(memory_mb=16_000, seconds=14_340)
TWO = Lanes({Lane.FUNCTION: FUNCTION, Lane.BATCH: BATCH})
ALL = Lanes({Lane.FUNCTION: FUNCTION, Lane.BATCH: BATCH, Lane.GPU: GPU})

needs = st.builds(Need, memory_mb=st.floats(0, 1e9), seconds=st.floats(0, 1e9))


def chosen(lanes, need, backend=AER):
    try:
        return lanes.choose(backend, lambda _: need)
    except InvalidCircuitError:
        return None


@given(needs)
def test_a_lane_that_is_chosen_has_the_memory(need):
    lane = chosen(TWO, need)
    assert lane is None or need.memory_mb <= TWO.limits(lane).memory_mb


@given(needs)
def test_the_function_is_never_chosen_for_what_it_cannot_surely_end_where_there_is_more_time(need):
    if need.seconds > CAREFUL * FUNCTION.seconds and need.memory_mb <= BATCH.memory_mb:
        assert chosen(TWO, need) is not Lane.FUNCTION


@given(needs)
def test_nothing_is_refused_that_a_lane_may_hold(need):
    may_fit = need.memory_mb <= BATCH.memory_mb and need.seconds <= DOUBT * BATCH.seconds
    assert (chosen(TWO, need) is not None) == may_fit


@given(needs)
def test_a_second_lane_takes_nothing_from_the_first_that_it_surely_holds(need):
    if need.memory_mb <= FUNCTION.memory_mb and need.seconds <= CAREFUL * FUNCTION.seconds:
        assert chosen(TWO, need) is Lane.FUNCTION


@given(needs.filter(lambda need: need.memory_mb > BATCH.memory_mb))
def test_a_refusal_tells_what_is_needed_and_what_each_lane_holds(need):
    with pytest.raises(InvalidCircuitError) as caught:
        TWO.choose(AER, lambda _: need)
    assert caught.value.code == "TOO_LARGE_TO_SIMULATE"
    assert caught.value.details == {
        "field": "circuit",
        "needed_mb": need.memory_mb,
        "needed_s": need.seconds,
        "lanes": {"function": FUNCTION.model_dump(), "batch": BATCH.model_dump()},
    }


def test_with_one_lane_the_function_takes_what_it_may_end():
    only = Lanes({Lane.FUNCTION: FUNCTION})
    assert chosen(only, Need(memory_mb=1, seconds=800)) is Lane.FUNCTION
    assert chosen(only, Need(memory_mb=1, seconds=8_000)) is Lane.FUNCTION
    assert chosen(only, Need(memory_mb=1, seconds=9_000)) is None
    assert chosen(only, Need(memory_mb=2_049, seconds=1)) is None


def test_a_backend_on_a_gpu_goes_where_a_gpu_is():
    assert chosen(ALL, Need(memory_mb=1, seconds=1), ON_GPU) is Lane.GPU
    assert chosen(ALL, Need(memory_mb=1, seconds=1)) is Lane.FUNCTION
    assert chosen(TWO, Need(memory_mb=1, seconds=1), ON_GPU) is Lane.FUNCTION
    assert chosen(ALL, Need(memory_mb=16_001, seconds=1), ON_GPU) is None


def test_a_method_that_is_slow_in_little_memory_counts_by_its_own_time():
    def needed(limits):
        return Need(memory_mb=100, seconds=10 if limits.memory_mb > 50_000 else 2_000)

    assert TWO.choose(AER, needed) is Lane.BATCH
