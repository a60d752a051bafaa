"""Divides samples into parts in which each class has its share."""

from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedKFold

from ketbase.datasets.parts import part_sizes
from ketbase.datasets.types import DataSpec
from ketbase.errors import InvalidError
from ketbase.quantum.data.samples import Floats, Indices, Samples


class Part(NamedTuple):
    """Some of the samples; features in double precision."""

    x: Floats
    y: Indices


class Parts(NamedTuple):
    """Samples, divided; a part may be empty, but not `train`."""

    train: Part
    validation: Part
    test: Part


def divide(samples: Samples, spec: DataSpec) -> Parts:
    """Divide samples as the specification asks, from its seed.

    Raises:
        InvalidError: `INVALID_DATA`, there are too few samples, or none of some class to train on.
    """
    sizes = part_sizes(spec, len(samples.y), samples.n_held_out)
    random = np.random.default_rng(spec.seed)
    rest, published = np.split(np.arange(len(samples.y)), [len(samples.y) - samples.n_held_out])
    test = _drawn(samples.y, published if samples.n_held_out else rest, sizes.test, random)
    rest = np.setdiff1d(rest, test)
    validation = _drawn(samples.y, rest, sizes.validation, random)
    rest = np.setdiff1d(rest, validation)
    train = _drawn(samples.y, rest, sizes.train, random)
    _refuse_untrained(samples, train)
    return Parts(*(_part(samples, chosen) for chosen in (train, validation, test)))


def folds(y: Indices, count: int, seed: int) -> list[tuple[Indices, Indices]]:
    """Divide samples `count` times into those to train on and those to validate with.

    Args:
        y: the classes of all samples of the training and the validation part.
        count: of folds.
        seed: of the division.

    Returns:
        For each fold the indices of both, in order; each sample is in one validation part.

    Raises:
        InvalidError: `INVALID_DATA`, some class has fewer samples than there are folds.
    """
    fewest = int(np.bincount(y).min())
    if fewest < count:
        raise InvalidError(
            "INVALID_DATA",
            f"{count} folds need {count} samples of each class; one class has {fewest} in the training and the "
            "validation part.",
            field="sweep.folds",
            given=count,
            limit=fewest,
        )
    divided = StratifiedKFold(count, shuffle=True, random_state=seed).split(np.zeros((len(y), 1)), y)
    return [(train.astype(np.int64), validation.astype(np.int64)) for train, validation in divided]


def _drawn(y: Indices, among: Indices, size: int, random: np.random.Generator) -> Indices:
    """Draw so many of some samples, in order; what is left of shares rounded down goes to the largest rests."""
    if size == 0:
        return among[:0]
    shares = np.bincount(y[among]) * size / len(among)
    sizes = np.floor(shares).astype(np.int64)
    sizes[np.argsort(sizes - shares, kind="stable")[: size - sizes.sum()]] += 1
    drawn = [random.permutation(among[y[among] == number])[:each] for number, each in enumerate(sizes)]
    return np.sort(np.concatenate(drawn))


def _refuse_untrained(samples: Samples, train: Indices) -> None:
    counts = np.bincount(samples.y[train], minlength=len(samples.classes))
    if counts.min() == 0:
        missing = [label for label, count in zip(samples.classes, counts, strict=True) if count == 0]
        raise InvalidError(
            "INVALID_DATA",
            f"Among the {len(train):,} samples to train on there is none of the class {missing[0]!r}.",
            field="dataset.train_size",
            classes=missing,
        )


def _part(samples: Samples, chosen: Indices) -> Part:
    return Part(np.asarray(samples.x[chosen], np.float64), samples.y[chosen])
