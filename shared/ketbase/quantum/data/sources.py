"""The data sets that come with scikit-learn, and those that are made up from a seed."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
from sklearn import datasets

from ketbase.datasets.catalog import N_BLOBS, known
from ketbase.datasets.types import Bundled, DataSpec, Generated
from ketbase.quantum.data.samples import Samples, numbered

BUNDLED: tuple[str, ...] = get_args(Bundled.__value__)
GENERATED: tuple[str, ...] = get_args(Generated.__value__)

_CIRCLES_FACTOR = 0.5
_BLOBS_BOX = (-1.0, 1.0)
"""Where the centres of blobs lie, in each direction."""


def bundled(spec: DataSpec) -> Samples:
    """Read a data set of scikit-learn; the classes are called as there."""
    found: Any = getattr(datasets, f"load_{spec.type}")()
    classes = tuple(name if isinstance(name, str) else int(name) for name in found.target_names.tolist())
    names = tuple(map(str, found.feature_names))
    return Samples(np.asarray(found.data, np.float64), found.target.astype(np.int64), classes, names)


def generated(spec: DataSpec) -> Samples:
    """Make a data set up; the same seed gives the same one."""
    x, y = _MADE[spec.type](spec)
    facts = known(spec)
    classes = facts.classes if facts is not None else ()
    return Samples(np.asarray(x, np.float64), np.asarray(y, np.int64), classes, numbered(x.shape[1]))


def _moons(spec: DataSpec) -> Any:
    return datasets.make_moons(spec.n_samples, noise=spec.noise, random_state=spec.seed)


def _circles(spec: DataSpec) -> Any:
    return datasets.make_circles(spec.n_samples, noise=spec.noise, factor=_CIRCLES_FACTOR, random_state=spec.seed)


def _blobs(spec: DataSpec) -> Any:
    return datasets.make_blobs(
        spec.n_samples,
        n_features=spec.n_features,
        centers=N_BLOBS,
        cluster_std=spec.noise,
        center_box=_BLOBS_BOX,
        random_state=spec.seed,
    )[:2]


def _parity(spec: DataSpec) -> Any:
    random = np.random.default_rng(spec.seed)
    bits = random.integers(0, 2, (spec.n_samples, spec.n_features))
    flipped = random.permutation(spec.n_samples) < round(spec.noise * spec.n_samples)
    return bits, (bits.sum(axis=1) + flipped) % 2


_MADE: dict[str, Callable[[DataSpec], Any]] = {
    "moons": _moons,
    "circles": _circles,
    "blobs": _blobs,
    "parity": _parity,
}
