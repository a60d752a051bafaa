"""An amount is read exactly or refused, whatever is given for one."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ketbase.money import MOST, Money

NUMBERS = st.one_of(
    st.integers(),
    st.integers(-MOST, MOST),
    st.floats(),
    st.decimals(),
    st.builds(lambda digits, power: f"{digits}e{power}", st.integers(), st.integers(-(10**20), 10**20)),
    st.integers(-MOST, MOST).map(lambda nano: str(Money(nano))),
    st.from_regex(r"\A[-+]?[0-9]{0,40}\.?[0-9]{0,40}([eE][-+]?[0-9]{1,3})?\Z"),
    st.text(max_size=100),
)


@given(NUMBERS)
@example("1E+999999999")
@example("-1E+999999999")
@example("0E+999999999")
@example("0E-999999999")
@example("1e-1000000000")
@example("999999999.99999999999999999999999999")
@example("1e99999999999999999999")
@example("9" * 5_000)
@example("0." + "0" * 1_000_000)
@example(Decimal("sNaN123"))
@example(Decimal("1E-999999999"))
@example("\ud800")
def test_whatever_is_given_is_read_exactly_or_refused(given: str | int | float | Decimal) -> None:
    try:
        money = Money.of(given)
    except ValueError:
        return
    assert abs(money.nano) <= MOST
    assert Money.of(str(money)) == money
    text = str(given)
    assert Decimal(text).is_zero() == (money.nano == 0)
    if money:
        assert Fraction(Decimal(text)) * 1_000_000_000 == money.nano


@pytest.mark.parametrize(
    "given",
    [
        "1E+999999999",
        "999999999.99999999999999999999999999",
        "1e-1000000000",
        "1000000000.000000001",
        "0.0000000001",
        pytest.param(10**10_000, id="a huge integer"),
        pytest.param(-(10**10_000), id="a huge debt"),
        pytest.param("1" * 1_000_000, id="a huge text"),
        "nan",
        "-inf",
        True,
    ],
)
def test_what_is_too_much_or_too_fine_is_refused(given: str | int) -> None:
    with pytest.raises(ValueError, match="an amount"):
        Money.of(given)


@pytest.mark.parametrize(
    ("given", "nano"),
    [
        ("1000000000", MOST),
        ("-1E+9", -MOST),
        ("999999999.999999999", MOST - 1),
        ("1.00000000000000000000", 1_000_000_000),
        ("1e-9", 1),
        (0.1, 100_000_000),
        ("-0", 0),
        (Decimal("12.50"), 12_500_000_000),
    ],
)
def test_what_has_a_place_is_read_to_the_nano_dollar(given: str | float | Decimal, nano: int) -> None:
    assert Money.of(given) == Money(nano)
