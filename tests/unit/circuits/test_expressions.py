import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketbase.circuits import expressions


def test_a_formula_names_its_parameters_but_not_its_constants_and_functions():
    assert expressions.names("2*theta_0 + sin(x_1)/pi") == {"theta_0", "x_1"}


@pytest.mark.parametrize(
    ("formula", "value"),
    [("2*a + 1", 5.0), ("-a**2", -4.0), ("pi/a", math.pi / 2), ("cos(a - 2)", 1.0), ("abs(-a)", 2.0)],
)
def test_a_formula_has_the_value_that_arithmetic_gives_it(formula, value):
    assert expressions.evaluate(formula, {"a": 2.0}) == pytest.approx(value)


@pytest.mark.parametrize(
    "formula",
    ["", "a +", "a.b", "a[0]", "__import__('os')", "lambda: 1", "f(a)", "sin(a, b)", "a if b else c", "'text'",
     "True", "a @ b", "9" * 399, "a + 1e999", "(" * 300 + "a" + ")" * 300, "1j", "a" * 401],
)  # fmt: skip
def test_what_is_not_arithmetic_is_refused_with_a_sentence(formula):
    with pytest.raises(ValueError, match=r"formula"):
        expressions.names(formula)


def test_a_parameter_without_a_value_is_named():
    with pytest.raises(ValueError, match="'b' has no value"):
        expressions.evaluate("a + b", {"a": 1.0})


@pytest.mark.parametrize("formula", ["1/(a-a)", "log(a-a)", "10.0**a**a**a**a"])
def test_arithmetic_without_a_finite_result_is_refused(formula):
    with pytest.raises(ValueError, match="has no value here"):
        expressions.evaluate(formula, {"a": 9.0})


@given(st.text(max_size=60))
def test_no_text_does_anything_but_be_read_or_refused(text):
    try:
        expressions.names(text)
    except ValueError:
        return
