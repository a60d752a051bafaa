"""A run in a container is priced, held and charged by the container's own prices, a minute at least."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketbase.backends.catalog import backends
from ketbase.backends.lanes import Lane, Lanes, Limits
from ketbase.costs.meter import Meter
from ketbase.costs.prices import Prices
from ketbase.costs.quotes import EXECUTE_S, Quotes
from ketbase.costs.shapes import Shape
from ketbase.errors import InvalidCircuitError
from ketbase.money import Money

PRICES = Prices.load(None)
LANES = Lanes(
    {
        Lane.FUNCTION: Limits(memory_mb=2_048, seconds=EXECUTE_S),
        Lane.BATCH: Limits(memory_mb=120_000, seconds=14_340),
    }
)
QUOTES = Quotes(
    PRICES,
    compute_memory_mb=3_008,
    control_memory_mb=1_024,
    lanes=LANES,
    rates={Lane.BATCH: lambda seconds: batch(seconds)},
)
AER, FEZ = backends()["aer"], backends()["fake_fez"]


def batch(seconds: float) -> Money:
    return PRICES.batch(seconds, 16, 122_880)


def dense(n: int, gates: int = 500) -> Shape:
    return Shape(n_qubits=n, gates=gates, two_qubit_gates=gates // 2, entangled_bits=n // 2)


def test_an_hour_of_a_container_costs_its_vcpus_and_its_gigabytes() -> None:
    assert batch(3_600) == Money.at_least(16 * Decimal("0.04048") + 120 * Decimal("0.004445"))


def test_a_container_is_billed_for_a_minute_at_least() -> None:
    assert batch(0) == batch(1) == batch(60) < batch(61)


@given(st.floats(0.01, 100))
def test_what_a_step_in_a_container_may_take_is_never_more_than_its_money(dollars: float) -> None:
    money, meter = Money.of(f"{dollars:.6f}"), Meter(PRICES, 3_008, batch)
    seconds = meter.seconds_for(money)
    assert seconds == 0 or seconds >= 59
    assert seconds == 0 or meter.charge(max(seconds - 1, 0)).amount <= money


@pytest.mark.parametrize(("n", "lane"), [(20, Lane.FUNCTION), (27, Lane.BATCH), (32, Lane.BATCH)])
def test_a_quote_foresees_the_lane_and_reserves_by_its_price(n: int, lane: Lane) -> None:
    quote = QUOTES.run(dense(n), AER, 1_000)
    assert quote.lane is lane
    if lane is Lane.BATCH:
        assert quote.reserved >= batch(60)
        assert quote.reserved <= batch(14_340) + Money.of("0.1")


def test_a_run_that_may_grow_on_its_device_reserves_for_the_second_lane_too() -> None:
    small, larger = (QUOTES.run(dense(n, 30), FEZ, 100) for n in (5, 20))
    assert small.reserved < batch(60) <= larger.reserved
    assert larger.lane is Lane.FUNCTION


def test_what_surely_fits_no_lane_is_refused_and_what_may_is_not() -> None:
    with pytest.raises(InvalidCircuitError) as caught:
        QUOTES.run(dense(33).model_copy(update={"repeats": True}), AER, 1_000)
    assert caught.value.code == "TOO_LARGE_TO_SIMULATE"
    QUOTES.run(dense(40), AER, 1_000)  # tried as a matrix product state
    QUOTES.run(dense(100), FEZ, 1_000)  # placed and routed first
    QUOTES.run(Shape(n_qubits=500, gates=500, clifford=True, entangled_bits=250), AER, 1_000)
