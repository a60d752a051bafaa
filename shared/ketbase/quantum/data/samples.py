"""Samples with their labels, whatever they were read from."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ketbase.datasets.types import MAX_CLASSES, Label
from ketbase.errors import InvalidError

type Floats = NDArray[np.float64]
type Indices = NDArray[np.int64]

_AT_ONCE = 1 << 22
"""How many numbers are hashed at once."""
_SHOWN = 12
"""How many classes a message names."""


class Samples(NamedTuple):
    """Samples as they were read.

    Attributes:
        x: features, shape (samples, features); double precision, or the bytes of images.
        y: for each sample, which of `classes` it is.
        classes: the labels.
        names: of the features.
        n_held_out: how many samples, the last ones, were published to test with.
    """

    x: NDArray[Any]
    y: Indices
    classes: tuple[Label, ...]
    names: tuple[str, ...]
    n_held_out: int = 0


def numbered(count: int) -> tuple[str, ...]:
    """Name features by their numbers, from 0."""
    return tuple(map(str, range(count)))


def labelled(labels: Sequence[Label]) -> tuple[Indices, tuple[Label, ...]]:
    """Number labels in their natural order.

    Raises:
        InvalidError: `INVALID_DATA`, there is one class only, or so many that they are no classes.
    """
    found = set(labels)
    if len(found) < 2:
        raise InvalidError(
            "INVALID_DATA",
            f"All {len(labels):,} samples are of the class {next(iter(found), None)!r}; training needs two.",
            field="label",
            classes=sorted(found, key=str),
        )
    if len(found) > MAX_CLASSES:
        raise InvalidError(
            "INVALID_DATA",
            f"The labels have {len(found):,} different values; at most {MAX_CLASSES} classes are told apart. "
            "Say in dataset.label which column holds them.",
            field="label",
            given=len(found),
            limit=MAX_CLASSES,
        )
    classes = tuple(sorted(found, key=lambda label: (isinstance(label, str), label)))
    numbers = {label: number for number, label in enumerate(classes)}
    return np.fromiter((numbers[label] for label in labels), np.int64, len(labels)), classes


def only(samples: Samples, wanted: Sequence[Label]) -> Samples:
    """Keep the samples of some classes, in the order in which these are given.

    Raises:
        InvalidError: `INVALID_DATA`, there is no such class.
    """
    missing = [label for label in wanted if label not in samples.classes]
    if missing:
        there = ", ".join(map(repr, samples.classes[:_SHOWN])) + (", …" if len(samples.classes) > _SHOWN else "")
        raise InvalidError(
            "INVALID_DATA",
            f"There is no class {missing[0]!r}; there are {there}.",
            field="dataset.classes",
            given=missing,
            classes=list(samples.classes),
        )
    new = np.full(len(samples.classes), -1)
    new[[samples.classes.index(label) for label in wanted]] = np.arange(len(wanted))
    y = new[samples.y]
    kept = y >= 0
    n_held_out = int(kept[len(kept) - samples.n_held_out :].sum())
    return Samples(samples.x[kept], y[kept], tuple(wanted), samples.names, n_held_out)


def sha256(samples: Samples) -> str:
    """Hash all samples and labels: the shape, the classes, then the numbers in double precision, little-endian."""
    about = {"shape": samples.x.shape, "classes": samples.classes}
    digest = hashlib.sha256(json.dumps(about).encode())
    rows = max(_AT_ONCE // max(samples.x.shape[1], 1), 1)
    for start in range(0, len(samples.x), rows):
        digest.update(np.ascontiguousarray(samples.x[start : start + rows], dtype="<f8").tobytes())
    digest.update(samples.y.astype("<i8").tobytes())
    return digest.hexdigest()
