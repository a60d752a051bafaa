"""Parts have the sizes that are asked for, and the usual proportions where none are."""

import pytest

from ketbase.datasets.parts import PartSizes, part_sizes
from ketbase.datasets.types import DataSpec
from ketbase.errors import InvalidError


@pytest.mark.parametrize(
    ("n_samples", "held_out", "asked", "sizes"),
    [
        (100, 0, {}, (64, 16, 20)),
        (569, 0, {}, (364, 91, 114)),
        (100, 0, {"test_size": 50}, (40, 10, 50)),
        (100, 0, {"val_size": 30}, (50, 30, 20)),
        (100, 0, {"test_size": 10, "val_size": 10}, (80, 10, 10)),
        (100, 0, {"train_size": 64}, (64, 16, 20)),
        (70_000, 0, {"train_size": 640}, (640, 160, 200)),
        (100, 0, {"train_size": 100}, (100, 0, 0)),
        (100, 0, {"train_size": 82}, (82, 8, 10)),
        (100, 0, {"train_size": 80, "test_size": 20}, (80, 0, 20)),
        (100, 0, {"train_size": 80, "val_size": 20}, (80, 20, 0)),
        (100, 0, {"train_size": 40, "val_size": 20}, (40, 20, 15)),
        (70_000, 10_000, {}, (48_000, 12_000, 10_000)),
        (70_000, 10_000, {"train_size": 50_000, "val_size": 10_000}, (50_000, 10_000, 10_000)),
        (70_000, 10_000, {"train_size": 800, "test_size": 100}, (800, 200, 100)),
        (70_000, 10_000, {"train_size": 800}, (800, 200, 250)),
    ],
)
def test_samples_are_divided_as_asked(
    n_samples: int, held_out: int, asked: dict[str, int], sizes: tuple[int, int, int]
) -> None:
    assert part_sizes(DataSpec(type="upload", **asked), n_samples, held_out) == PartSizes(*sizes)


@pytest.mark.parametrize(
    ("held_out", "asked", "field", "limit"),
    [
        (0, {"train_size": 101}, "train_size", 100),
        (0, {"train_size": 70, "test_size": 31}, "test_size", 30),
        (0, {"train_size": 70, "val_size": 20, "test_size": 11}, "test_size", 10),
        (0, {"train_size": 70, "val_size": 31}, "val_size", 30),
        (0, {"val_size": 80}, "val_size", 79),
        (0, {"test_size": 100}, "test_size", 99),
        (20, {"test_size": 21}, "test_size", 20),
        (20, {"train_size": 81}, "train_size", 80),
    ],
)
def test_more_samples_than_there_are_cannot_be_asked_for(
    held_out: int, asked: dict[str, int], field: str, limit: int
) -> None:
    with pytest.raises(InvalidError) as refused:
        part_sizes(DataSpec(type="upload", **asked), 100, held_out)
    assert refused.value.details["field"] == f"dataset.{field}"
    assert refused.value.details["limit"] == limit
