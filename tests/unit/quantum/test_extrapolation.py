import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketbase.quantum.experiments.extrapolation import NoTrendError, extrapolated

SCALES = (1, 3, 5, 7)
FAR = {"settled": 0.25, "farthest": 1.0}
errors = st.lists(st.floats(1e-4, 1e-1), min_size=4, max_size=4).map(np.array)
CURVES = {
    "linear": lambda at, a, b: a - 0.1 * b * at,
    "quadratic": lambda at, a, b: a - 0.1 * b * at + 0.02 * at**2,
    "exponential": lambda at, a, b: 0.25 + (a - 0.25) * np.exp(-0.3 * b * at),
}


@given(form=st.sampled_from(list(CURVES)), a=st.floats(0.4, 1.2), b=st.floats(0.1, 1), errors=errors)
def test_a_curve_of_the_form_is_read_at_0_whatever_the_errors(form, a, b, errors):
    values = CURVES[form](np.array(SCALES, dtype=float), a, b)
    value, _ = extrapolated(form, SCALES, values, errors, **FAR)
    assert value == pytest.approx(a, abs=1e-6)


@given(form=st.sampled_from(list(CURVES)), a=st.floats(0.4, 1.2), errors=errors, seed=st.integers(0, 999))
def test_the_derivatives_say_how_the_value_moves_with_each_of_the_values(form, a, errors, seed):
    dice = np.random.default_rng(seed)
    values = CURVES[form](np.array(SCALES, dtype=float), a, 0.5)
    moves = 1e-5 * dice.normal(size=4)
    before, derivatives = extrapolated(form, SCALES, values, errors, **FAR)
    after, _ = extrapolated(form, SCALES, values + moves, errors, **FAR)
    assert after - before == pytest.approx(derivatives @ moves, abs=1e-7)


def test_equal_errors_and_as_many_scales_as_needed_give_richardsons_weights():
    _, weights = extrapolated("quadratic", (1, 3, 5), np.array([0.9, 0.7, 0.6]), np.full(3, 0.01), **FAR)
    assert weights == pytest.approx([15 / 8, -10 / 8, 3 / 8])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.3, 0.2, 0.3, 0.2], "change their sign"),
        ([0.3, 0.4, 0.5, 0.6], "do not decay"),
        ([0.9, 0.2501, 0.25001, 0.250001], "impossible"),
    ],
)
def test_values_that_no_decay_explains_are_refused(values, reason):
    with pytest.raises(NoTrendError, match=reason):
        extrapolated("exponential", SCALES, np.array(values), np.full(4, 0.01), **FAR)
