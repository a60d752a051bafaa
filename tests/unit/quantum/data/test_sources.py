"""Data that comes with scikit-learn is what the catalogue says, and data that is made up follows its seed."""

import numpy as np
import pytest

from ketbase.datasets.catalog import known
from ketbase.datasets.types import DataSpec
from ketbase.errors import InvalidError
from ketbase.quantum.data.loading import load
from ketbase.quantum.data.sources import BUNDLED, GENERATED


@pytest.mark.parametrize("name", [*BUNDLED, *GENERATED])
@pytest.mark.parametrize("n_samples", [400, 401])
def test_what_is_known_of_a_data_set_without_reading_it_is_so(name: str, n_samples: int) -> None:
    spec = DataSpec(type=name, n_samples=n_samples, n_features=5)
    samples, _ = load(spec)
    facts = known(spec)
    assert facts is not None
    assert samples.classes == facts.classes
    assert samples.x.shape == (len(samples.y), facts.n_features)
    assert len(samples.names) == facts.n_features
    if facts.counts is not None:
        assert tuple(np.bincount(samples.y)) == facts.counts


@pytest.mark.parametrize("name", GENERATED)
def test_the_same_seed_makes_the_same_data_and_another_one_other_data(name: str) -> None:
    hashes = [load(DataSpec(type=name, seed=seed))[1] for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_parity_says_whether_the_number_of_ones_is_odd_but_where_it_is_flipped() -> None:
    for noise in (0, 0.25):
        samples, _ = load(DataSpec(type="parity", n_samples=200, n_features=6, noise=noise))
        assert set(np.unique(samples.x)) == {0, 1}
        assert (samples.x.sum(axis=1) % 2 != samples.y).sum() == 200 * noise


def test_only_the_classes_that_are_asked_for_come_in_the_order_that_is_asked_for() -> None:
    everything, whole = load(DataSpec(type="digits"))
    some, hashed = load(DataSpec(type="digits", classes=(4, 0, 1)))
    assert some.classes == (4, 0, 1)
    assert hashed == whole
    for place, label in enumerate(some.classes):
        assert np.array_equal(some.x[some.y == place], everything.x[everything.y == label])


def test_the_hash_changes_with_any_number_and_with_any_label(monkeypatch: pytest.MonkeyPatch) -> None:
    from ketbase.quantum.data import samples as rooms

    samples, hashed = load(DataSpec(type="iris"))
    assert rooms.sha256(samples._replace(x=samples.x.astype(np.float32).astype(float))) != hashed
    x = samples.x.copy()
    x[-1, -1] += 1e-9
    assert rooms.sha256(samples._replace(x=x)) != hashed
    y = samples.y.copy()
    y[0] = 1
    assert rooms.sha256(samples._replace(y=y)) != hashed
    assert rooms.sha256(samples._replace(classes=("a", "b", "c"))) != hashed
    monkeypatch.setattr(rooms, "_AT_ONCE", 7)
    assert rooms.sha256(samples) == hashed


def test_an_upload_without_its_file_is_refused() -> None:
    with pytest.raises(InvalidError, match="not there"):
        load(DataSpec(type="upload", dataset_id="data_1"))
