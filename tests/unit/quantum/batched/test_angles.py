"""Angles are computed, differentiated and refused as their formulas say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketbase.circuits import expressions
from ketbase.errors import InvalidCircuitError
from ketbase.quantum.batched.angles import Angles
from ketbase.quantum.batched.duals import Dual
from tests.unit.quantum.batched.circuits import FEATURES, FORMULAS, finite_differences

NAMES = ("theta_0", "theta_1", "theta_2")
UNIT = st.floats(-1, 1).filter(lambda value: abs(value) > 1e-2)
SAMPLES = st.lists(st.tuples(UNIT, UNIT), min_size=1, max_size=4).map(np.array)


def dual(formula, point):
    known = {name: Dual(value, {name: np.ones(())}) for name, value in zip(NAMES, point, strict=True)}
    return expressions.evaluate(formula, known | {"x_0": Dual(0.3), "x_1": Dual(-0.7)})


@pytest.mark.parametrize("formula", FORMULAS)
@settings(max_examples=10, deadline=None)
@given(point=st.tuples(UNIT, UNIT, UNIT).map(np.array))
def test_a_dual_number_carries_the_value_of_a_formula_and_its_slopes(formula, point):
    values = dict(zip(NAMES, point.tolist(), strict=True)) | {"x_0": 0.3, "x_1": -0.7}
    found = dual(formula, point)
    assert found.value == pytest.approx(expressions.evaluate(formula, values), rel=1e-13)
    expected = finite_differences(lambda at: dual(formula, at).value, point, 1e-4)
    slopes = [found.partials.get(name, 0.0) for name in NAMES]
    np.testing.assert_allclose(slopes, expected, atol=1e-8)


@settings(max_examples=30, deadline=None)
@given(point=st.tuples(UNIT, UNIT, UNIT).map(np.array), samples=SAMPLES)
def test_angles_have_the_values_of_their_formulas(point, samples):
    angles = Angles([*FORMULAS, 0.25, "theta_0"], NAMES, FEATURES)
    shared, own = angles.values(point, samples)
    for formula, slot in angles.slots.items():
        for number, sample in enumerate(samples):
            values = dict(zip((*NAMES, *FEATURES), (*point.tolist(), *sample.tolist()), strict=True))
            expected = expressions.evaluate(formula, values) if isinstance(formula, str) else formula
            found = own[slot.number, number] if slot.per_sample else shared[slot.number]
            assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(point=st.tuples(UNIT, UNIT, UNIT).map(np.array), samples=SAMPLES, seed=st.integers(0, 99))
def test_slopes_by_angles_become_slopes_by_parameters(point, samples, seed):
    random = np.random.default_rng(seed)
    angles = Angles([*FORMULAS, 0.25], NAMES, FEATURES)
    of_shared, of_own = random.normal(size=angles.n_shared), random.normal(size=(angles.n_own, len(samples)))

    def total(at):
        shared, own = angles.values(at, samples)
        return shared @ of_shared + np.sum(own * of_own)

    gradient = angles.pulled_back(point, samples, of_shared, of_own)
    np.testing.assert_allclose(gradient, finite_differences(total, point, 1e-4), atol=1e-7)
    by_sample = sum(
        np.concatenate([of_shared / len(samples), of_own[:, number]]) @ angles.jacobian(point, sample)
        for number, sample in enumerate(samples)
    )
    np.testing.assert_allclose(by_sample, gradient, atol=1e-12)


@pytest.mark.parametrize(
    ("formula", "parameters", "features"),
    [
        ("log(theta_0)", (-1.0, 0.0, 0.0), (0.0, 0.0)),
        ("theta_0/theta_1", (1.0, 0.0, 0.0), (0.0, 0.0)),
        ("theta_0/0", (1.0, 0.0, 0.0), (0.0, 0.0)),
        ("theta_0*log(x_0)", (1.0, 0.0, 0.0), (0.0, 0.0)),
        ("theta_0**0.5", (0.0, 0.0, 0.0), (0.0, 0.0)),
        ("theta_0 + x_0", (1.0, 0.0, 0.0), (float("nan"), 0.0)),
        ("2*theta_0", (float("inf"), 0.0, 0.0), (0.0, 0.0)),
    ],
)
def test_an_angle_without_a_finite_value_or_slope_is_refused(formula, parameters, features):
    angles = Angles([formula], NAMES, FEATURES)
    with pytest.raises(InvalidCircuitError) as refused:
        angles.values(np.array(parameters), np.array([features]))
    assert refused.value.code == "INVALID_PARAMETER"
