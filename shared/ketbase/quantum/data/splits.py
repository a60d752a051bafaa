"""Divides samples into parts in which each class has its share."""

from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedKFold, train_test_split

from ketbase.datasets.parts import PartSizes, part_sizes
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
        InvalidError: `INVALID_DATA`, there are too few samples, altogether or of some class.
    """
    sizes = part_sizes(spec, len(samples.y), samples.n_held_out)
    everything = np.arange(len(samples.y))
    n_own = len(samples.y) - samples.n_held_out
    if samples.n_held_out:
        test = _drawn(samples, everything[n_own:], sizes.test, "test_size", spec.seed)
        rest = everything[:n_own]
    else:
        test = _drawn(samples, everything, sizes.test, "test_size", spec.seed)
        rest = np.setdiff1d(everything, test)
    validation = _drawn(samples, rest, sizes.validation, "val_size", spec.seed + 1)
    rest = np.setdiff1d(rest, validation)
    train = _drawn(samples, rest, sizes.train, "train_size", spec.seed + 2)
    _refuse_untrained(samples, train, sizes)
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


def _drawn(samples: Samples, among: Indices, size: int, name: str, seed: int) -> Indices:
    """Draw so many of some samples, each class its share, in order."""
    if size == len(among):
        return among
    if size == 0:
        return among[:0]
    y = samples.y[among]
    classes, counts = np.unique(y, return_counts=True)
    if min(size, len(among) - size) < len(classes) or counts.min() < 2:
        raise InvalidError(
            "INVALID_DATA",
            f"{size:,} of {len(among):,} samples cannot be drawn for {name} such that each of {len(classes)} "
            f"classes has its share: the smallest has {counts.min():,}.",
            field=f"dataset.{name}",
            given=size,
            classes=[samples.classes[number] for number in classes],
        )
    chosen, _ = train_test_split(among, train_size=size, stratify=y, random_state=seed)
    return np.sort(chosen)


def _refuse_untrained(samples: Samples, train: Indices, sizes: PartSizes) -> None:
    counts = np.bincount(samples.y[train], minlength=len(samples.classes))
    if counts.min() == 0:
        missing = [label for label, count in zip(samples.classes, counts, strict=True) if count == 0]
        raise InvalidError(
            "INVALID_DATA",
            f"Among the {sizes.train:,} samples to train on there is none of the class {missing[0]!r}.",
            field="dataset.train_size",
            classes=missing,
        )


def _part(samples: Samples, chosen: Indices) -> Part:
    return Part(np.asarray(samples.x[chosen], np.float64), samples.y[chosen])
