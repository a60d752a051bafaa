"""How many samples go into which part of the data."""

from typing import NamedTuple

from ketbase.datasets.types import DataSpec
from ketbase.errors import InvalidError

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2
"""Of what the test part leaves."""


class PartSizes(NamedTuple):
    """Samples of each part; some may be left over."""

    train: int
    validation: int
    test: int


def part_sizes(spec: DataSpec, n_samples: int, n_held_out: int = 0) -> PartSizes:
    """Divide samples as asked; what is not asked keeps the usual proportions, 64 to 16 to 20.

    Args:
        spec: with the sizes that are asked for.
        n_samples: all of them.
        n_held_out: how many of them come as a test part of their own; nothing else is taken from these.

    Raises:
        InvalidError: `INVALID_DATA`, there are not so many.
    """
    own = n_samples - n_held_out
    least = spec.train_size or 1
    if spec.train_size is not None:
        _refuse_more("train_size", least, own)
    if spec.val_size is not None:
        _refuse_more("val_size", spec.val_size, own - least)
    if spec.test_size is not None:
        _refuse_more("test_size", spec.test_size, n_held_out or own - least - (spec.val_size or 0))
    test = _test_size(spec, n_samples, n_held_out)
    left = own if n_held_out else own - test
    if spec.val_size is not None:
        validation = spec.val_size
        _refuse_more("val_size", validation, left - least)
    else:
        wanted = left if spec.train_size is None else spec.train_size / (1 - VALIDATION_SHARE)
        validation = max(min(round(VALIDATION_SHARE * wanted), left - least), 0)
    return PartSizes(left - validation if spec.train_size is None else spec.train_size, validation, test)


def _test_size(spec: DataSpec, n_samples: int, n_held_out: int) -> int:
    if spec.test_size is not None:
        return spec.test_size
    if spec.train_size is None:
        return n_held_out or round(TEST_SHARE * n_samples)
    beside = spec.train_size / (1 - VALIDATION_SHARE) if spec.val_size is None else spec.train_size + spec.val_size
    usual = round(beside * TEST_SHARE / (1 - TEST_SHARE))
    if n_held_out:
        return min(usual, n_held_out)
    left = n_samples - spec.train_size - (spec.val_size or 0)
    if spec.val_size is None:
        # Where both parts have to do with less, they share it in their proportion.
        left = round(left * TEST_SHARE / (TEST_SHARE + (1 - TEST_SHARE) * VALIDATION_SHARE))
    return max(min(usual, left), 0)


def _refuse_more(name: str, size: int, most: int) -> None:
    if size > most:
        raise InvalidError(
            "INVALID_DATA",
            f"{name} is {size:,}, but {max(most, 0):,} samples are there for it.",
            field=f"dataset.{name}",
            given=size,
            limit=max(most, 0),
        )
