"""What no store of vectors takes."""

import json
import math
import re
from collections.abc import Mapping, Sequence

from ketbase.ports.vectors import (
    MAX_DIMENSION,
    MAX_ID_CHARACTERS,
    MAX_METADATA_BYTES,
    MAX_TOP_K,
    Collection,
    Label,
    Vector,
)

_COLLECTION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,23}[a-z0-9])?")
_ASCII = re.compile(r"[\x01-\x7f]+")
_LEAST, _LARGEST = 1.1754944e-38, 3.4028234e38
"""Of single precision, normal numbers only."""


def refuse_place(collection: Collection, namespace: str) -> None:
    """Raise a `ValueError` for a collection or a namespace that cannot be."""
    if not _COLLECTION.fullmatch(collection.name):
        raise ValueError(f"no name of a collection: {collection.name!r}")
    if not 1 <= collection.dimension <= MAX_DIMENSION:
        raise ValueError(f"{collection.name} has {collection.dimension} dimensions, not 1 to {MAX_DIMENSION:,}")
    _refuse_name("namespace", namespace)


def refuse_ids(ids: Sequence[str]) -> None:
    """Raise a `ValueError` for an id that cannot be, or that comes twice."""
    for each in ids:
        _refuse_name("id", each)
    if len(set(ids)) < len(ids):
        raise ValueError("an id comes twice in one call")


def refuse_vectors(collection: Collection, vectors: Sequence[Vector]) -> None:
    """Raise a `ValueError` for vectors that cannot be kept."""
    refuse_ids([vector.id for vector in vectors])
    for vector in vectors:
        _refuse_values(collection, vector.values, vector.id)
        _refuse_metadata(vector.metadata, vector.id)


def refuse_queries(collection: Collection, queries: Sequence[Sequence[float]], top_k: int) -> None:
    """Raise a `ValueError` for a question that cannot be answered."""
    if not 1 <= top_k <= MAX_TOP_K:
        raise ValueError(f"top_k is {top_k}, not 1 to {MAX_TOP_K:,}")
    for query in queries:
        _refuse_values(collection, query, "the query")


def _refuse_name(what: str, name: str) -> None:
    if not _ASCII.fullmatch(name) or len(name) > MAX_ID_CHARACTERS:
        raise ValueError(f"no {what}: {name!r}; it has 1 to {MAX_ID_CHARACTERS} characters, ASCII all of them")


def _refuse_values(collection: Collection, values: Sequence[float], what: str) -> None:
    if len(values) != collection.dimension:
        raise ValueError(
            f"{what} has {len(values)} components; a vector of {collection.name} has {collection.dimension}"
        )
    if not all(math.isfinite(value) and abs(value) <= _LARGEST for value in values):
        raise ValueError(f"{what} has a component that is no number of single precision")
    if not any(abs(value) >= _LEAST for value in values):
        raise ValueError(f"{what} has no component but zeros, and so no direction")


def _refuse_metadata(metadata: Mapping[str, Label], what: str) -> None:
    for name, label in metadata.items():
        if not name or name.startswith("$"):
            raise ValueError(f"{what} has metadata under {name!r}")
        if isinstance(label, tuple):
            if not all(isinstance(each, str) for each in label):
                raise ValueError(f"{what} has a tuple of other things than texts under {name!r}")
        elif not isinstance(label, str) and not _is_number(label):
            raise ValueError(f"{what} has {label!r} under {name!r}, no text, number, boolean or tuple of texts")
    size = len(json.dumps(metadata, ensure_ascii=False).encode())
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"{what} has {size:,} bytes of metadata; at most {MAX_METADATA_BYTES:,} are kept")


def _is_number(label: object) -> bool:
    try:
        return isinstance(label, int | float) and math.isfinite(label)
    except OverflowError:  # an integer beyond what a float can say
        return False
