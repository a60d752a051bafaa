"""What is wrong with data, said such that it can be found."""

from typing import Any

from ketbase.datasets.types import MAX_CELLS, MAX_FEATURES, MAX_SAMPLES
from ketbase.errors import InvalidError


def invalid(problem: str, **place: Any) -> InvalidError:
    """Make the error for a file; rows are numbered from 1, without a line of names."""
    return InvalidError("INVALID_DATA", f"{problem}.", field="file", **place)


def refuse_size(n_samples: int, n_features: int) -> None:
    """Refuse what is too large, or empty, before it is read.

    Raises:
        InvalidError: `INVALID_DATA`.
    """
    for what, given, limit in (
        ("samples", n_samples, MAX_SAMPLES),
        ("features", n_features, MAX_FEATURES),
        ("numbers", n_samples * n_features, MAX_CELLS),
    ):
        if given > limit:
            raise invalid(f"The file holds {given:,} {what}; at most {limit:,} are read", given=given, limit=limit)
        if given == 0:
            raise invalid(f"The file holds no {what}", given=0)
