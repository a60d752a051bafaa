"""Each part has as many samples as asked, each class its share in it, and no sample is in two parts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketbase.datasets.types import DataSpec
from ketbase.errors import InvalidError
from ketbase.quantum.data.samples import Samples
from ketbase.quantum.data.splits import divide, folds


def samples(*counts: int, held_out: int = 0) -> Samples:
    """Each sample's one feature is its number."""
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    return Samples(np.arange(len(y), dtype=float)[:, None], y, tuple(range(len(counts))), ("0",), held_out)


def spec(**sizes: int) -> DataSpec:
    return DataSpec(type="iris", **sizes)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(100, 200), min_size=2, max_size=5),
    st.integers(0, 2**31 - 1),
    st.sampled_from([{}, {"test_size": 10}, {"train_size": 12, "val_size": 5, "test_size": 6}, {"train_size": 15}]),
)
def test_each_class_has_its_share_in_each_part_and_no_sample_is_in_two(
    counts: list[int], seed: int, sizes: dict[str, int]
) -> None:
    everything = samples(*counts)
    parts = divide(everything, spec(seed=seed, **sizes))
    for name, size in sizes.items():
        part = {"train_size": parts.train, "val_size": parts.validation, "test_size": parts.test}[name]
        assert len(part.y) == size
    numbers = np.concatenate([part.x[:, 0] for part in parts])
    assert len(set(numbers)) == len(numbers)
    if "train_size" not in sizes:
        assert len(numbers) == sum(counts)
    for part in parts:
        assert np.array_equal(everything.y[part.x[:, 0].astype(int)], part.y)
        share = np.array(counts) * len(part.y) / sum(counts)
        assert np.abs(np.bincount(part.y, minlength=len(counts)) - share).max() < 2


def test_the_seed_decides_which_samples_go_where() -> None:
    first, again, other = (divide(samples(50, 60), spec(seed=seed)) for seed in (1, 1, 2))
    for part, same in zip(first, again, strict=True):
        assert np.array_equal(part.x, same.x)
    assert not np.array_equal(first.test.x, other.test.x)


def test_a_test_part_of_its_own_is_all_that_is_tested_with() -> None:
    parts = divide(samples(60, 60, held_out=30), spec())
    assert [len(part.y) for part in parts] == [72, 18, 30]
    assert parts.test.x.min() == 90
    few = divide(samples(60, 60, held_out=30), spec(test_size=10))
    assert [len(part.y) for part in few] == [72, 18, 10]
    assert few.test.x.min() >= 90


@pytest.mark.parametrize(
    ("counts", "sizes"),
    [
        ((50, 50), {"test_size": 99}),
        ((50, 50), {"train_size": 1, "test_size": 10, "val_size": 10}),
        ((500, 3), {"test_size": 20, "val_size": 20, "train_size": 20}),
    ],
)
def test_a_class_of_which_there_is_nothing_to_train_on_is_refused(
    counts: tuple[int, ...], sizes: dict[str, int]
) -> None:
    with pytest.raises(InvalidError, match="there is none of the class") as refused:
        divide(samples(*counts), spec(**sizes))
    assert refused.value.code == "INVALID_DATA"
    assert refused.value.details["field"] == "dataset.train_size"


def test_a_single_sample_of_a_class_is_trained_on() -> None:
    parts = divide(samples(50, 1), spec())
    assert [tuple(np.bincount(part.y, minlength=2)) for part in parts] == [(32, 1), (8, 0), (10, 0)]


def test_each_sample_validates_in_one_fold_and_trains_in_all_others() -> None:
    y = samples(30, 41).y
    divided = folds(y, 4, seed=3)
    assert len(divided) == 4
    assert sorted(np.concatenate([validation for _, validation in divided])) == list(range(71))
    for train, validation in divided:
        assert sorted([*train, *validation]) == list(range(71))
        assert np.abs(np.bincount(y[validation]) - [30 / 4, 41 / 4]).max() < 1
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(divided, folds(y, 4, seed=3), strict=True))
    assert not np.array_equal(divided[0][1], folds(y, 4, seed=4)[0][1])


def test_more_folds_than_samples_of_a_class_are_refused() -> None:
    with pytest.raises(InvalidError, match="one class has 3"):
        folds(samples(30, 3).y, 4, seed=0)
