"""What can be known to be wrong with data is refused before it is read."""

from typing import Any

import pytest

from ketbase.datasets.checks import check
from ketbase.datasets.types import DataSpec
from ketbase.errors import InvalidError


@pytest.mark.parametrize(
    ("asked", "field", "problem"),
    [
        ({"type": "upload"}, "dataset_id", "named by its dataset_id"),
        ({"type": "iris", "dataset_id": "data_1"}, "dataset_id", "goes with the type upload"),
        ({"type": "iris", "label": "species"}, "label", "goes with the type upload"),
        ({"type": "iris", "classes": ("setosa", "rose")}, "classes", "no class 'rose'; it has 'setosa'"),
        ({"type": "digits", "classes": (0, 10)}, "classes", "no class 10"),
        ({"type": "digits", "classes": ("0", "1")}, "classes", "no class '0'"),
        ({"type": "mnist", "classes": (0, 10)}, "classes", "no class 10"),
        ({"type": "digits", "classes": (1, 1)}, "classes", "named once"),
        ({"type": "iris", "n_components": 5}, "n_components", "4 features"),
        ({"type": "blobs", "n_features": 3, "n_components": 4}, "n_components", "3 features"),
        ({"type": "iris", "train_size": 151}, "train_size", "150 samples"),
        ({"type": "digits", "classes": (0, 1), "train_size": 361}, "train_size", "360 samples"),
        ({"type": "moons", "n_samples": 50, "test_size": 50}, "test_size", "49 samples"),
        ({"type": "parity", "noise": 1.5}, "noise", "1 at most"),
    ],
)
def test_it_is_said_which_field_is_wrong_and_what_there_is(asked: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(InvalidError, match=problem) as refused:
        check(DataSpec.model_validate(asked))
    assert refused.value.code == "INVALID_DATA"
    assert refused.value.details["field"] == f"dataset.{field}"


@pytest.mark.parametrize(
    "asked",
    [
        {"type": "iris", "train_size": 100, "val_size": 25, "test_size": 25},
        {"type": "digits", "classes": (4, 0)},
        {"type": "upload", "dataset_id": "data_1", "label": "species", "train_size": 50_000},
        {"type": "mnist", "train_size": 60_000, "test_size": 10_000},
        {"type": "blobs", "noise": 2.0},
    ],
)
def test_what_may_be_right_passes(asked: dict[str, Any]) -> None:
    check(DataSpec.model_validate(asked))
