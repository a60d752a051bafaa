"""What is done to features is learnt from the training part alone, and done to all others alike."""

import io
import math

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from ketbase.datasets.types import DataSpec
from ketbase.errors import InvalidError
from ketbase.quantum.data.loading import load
from ketbase.quantum.data.preprocessing import Preprocessing
from ketbase.quantum.data.splits import divide

SPEC = DataSpec(type="breast_cancer")
PARTS = divide(load(SPEC)[0], SPEC)


@pytest.mark.parametrize("n_features", [6, 30, 64])
def test_columns_become_what_scikit_learns_own_pipeline_makes_of_them(n_features: int) -> None:
    steps = [PCA(n_features)] if n_features < 30 else []
    pipeline = make_pipeline(StandardScaler(), *steps, MinMaxScaler((0, math.pi))).fit(PARTS.train.x)
    fitted = Preprocessing.fit(PARTS.train.x, n_features, angles=True)
    for part in PARTS:
        assert fitted.apply(part.x) == pytest.approx(pipeline.transform(part.x), abs=1e-9)
    explained = steps[0].explained_variance_ratio_.sum() if steps else None
    assert fitted.explained_variance == (None if explained is None else pytest.approx(explained))


def test_training_columns_fill_the_half_turn_and_others_may_go_beyond() -> None:
    fitted = Preprocessing.fit(PARTS.train.x, 4, angles=True)
    train = fitted.apply(PARTS.train.x)
    assert train.min(axis=0) == pytest.approx(np.zeros(4), abs=1e-12)
    assert train.max(axis=0) == pytest.approx(np.full(4, math.pi))
    assert fitted.apply(3 * PARTS.train.x).max() > math.pi


def test_amplitudes_are_standardised_but_no_angles() -> None:
    fitted = Preprocessing.fit(PARTS.train.x, 64, angles=False)
    assert set(fitted.arrays()) == {"mean", "std"}
    assert fitted.apply(PARTS.train.x) == pytest.approx(StandardScaler().fit_transform(PARTS.train.x))


@pytest.mark.parametrize(("n_features", "angles"), [(4, True), (4, False), (64, True)])
def test_the_arrays_hold_all_that_was_learnt(n_features: int, angles: bool) -> None:
    fitted = Preprocessing.fit(PARTS.train.x, n_features, angles=angles)
    file = io.BytesIO()
    np.savez(file, parameters=np.zeros(3), **fitted.arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        again = Preprocessing.of_arrays(arrays)
    assert np.array_equal(again.apply(PARTS.test.x), fitted.apply(PARTS.test.x))


@pytest.mark.parametrize("constant", [0.0, 7.0, 0.1, 1e12])
def test_a_constant_column_makes_no_infinite_number(constant: float) -> None:
    x = np.column_stack((np.full(40, constant), np.arange(40.0), np.arange(40.0) ** 2))
    for n_features in (2, 3):
        fitted = Preprocessing.fit(x, n_features, angles=True)
        assert np.isfinite(fitted.apply(x)).all()
        assert fitted.high is not None
        assert fitted.low is not None
        assert (fitted.high > fitted.low).all()
        assert fitted.std[0] == 1.0
    assert fitted.apply(x)[:, 0] == pytest.approx(np.zeros(40))


def test_components_without_variance_make_no_huge_angles() -> None:
    dice = np.random.default_rng(0)
    train, test = dice.normal(size=(2, 40, 3)) @ dice.normal(size=(3, 8))
    test += 1e-3 * dice.normal(size=test.shape)
    fitted = Preprocessing.fit(train, 6, angles=True)
    assert fitted.apply(train).max(axis=0) == pytest.approx([math.pi] * 3 + [0.0] * 3, abs=1e-9)
    assert np.abs(fitted.apply(test)).max() < 10


def test_a_column_may_vary_little_and_far_from_zero() -> None:
    x = np.column_stack((1.0 + 1e-6 * np.arange(20), np.arange(20.0)))
    columns = Preprocessing.fit(x, 2, angles=True).apply(x)
    assert columns[:, 0] == pytest.approx(columns[:, 1], abs=1e-6)


def test_more_components_than_samples_are_refused() -> None:
    with pytest.raises(InvalidError, match="8 principal components") as refused:
        Preprocessing.fit(PARTS.train.x[:5], 8, angles=True)
    assert refused.value.code == "INVALID_DATA"
