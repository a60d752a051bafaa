"""The vectors port: vectors under ids, found again by how near they are to others.

A collection holds vectors of one length, compared by one measure; within it every tenant has a namespace of its
own, and no call reaches beyond one namespace. Components are kept in single precision. Metadata are only there to
filter by; what else is known of a vector belongs into the records.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

type Metric = Literal["cosine", "dotproduct", "euclidean"]
type Label = str | int | float | bool | tuple[str, ...]
"""What a field of the metadata may hold. A tuple stands for each of its members."""

MAX_TOP_K = 10_000
MAX_DIMENSION = 20_000
MAX_ID_CHARACTERS = 512
MAX_METADATA_BYTES = 40_000
"""As JSON. These four are Pinecone's."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Vectors of one length and one measure; it comes into being with its first vector.

    Attributes:
        name: lower-case letters, digits and `-`, at most 25 characters.
        dimension: how many components a vector has.
        metric: `cosine` of the angle, or `dotproduct`, the greatest first; or the square of the `euclidean`
            distance, the least first.
    """

    name: str
    dimension: int
    metric: Metric = "cosine"


@dataclass(frozen=True, slots=True)
class Vector:
    """A vector, its id (ASCII) and what it may be filtered by."""

    id: str
    values: Sequence[float]
    metadata: Mapping[str, Label] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """A vector that was found, and its score by the collection's metric, in single precision."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class Equals:
    """Holds if the field has this value, or holds it among others. A number never equals a boolean."""

    name: str
    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class OneOf:
    """Holds if the field has one of these values, or holds one of them among others."""

    name: str
    values: tuple[str | int | float, ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Holds if the field has a number that is at least `bound`."""

    name: str
    bound: float


@dataclass(frozen=True, slots=True)
class AtMost:
    """Holds if the field has a number that is at most `bound`."""

    name: str
    bound: float


type Condition = Equals | OneOf | AtLeast | AtMost


class Vectors(Protocol):
    """Vectors of many tenants. A write may take some seconds until other calls show it.

    Every call raises `UnavailableError` (`VECTORS_UNAVAILABLE`, `VECTORS_NOT_READY`) where the store does not
    answer, and `ValueError` for what no store takes: a collection of another dimension or metric than it was made
    with, a vector of the wrong length, one of zeros alone or with a component that single precision cannot hold, an
    id twice in one call, or anything beyond the limits above.
    """

    def upsert(self, collection: Collection, namespace: str, vectors: Sequence[Vector]) -> None:
        """Keep vectors, each in place of the one that had its id. Cut off on the way, it may have kept some."""

    def fetch(self, collection: Collection, namespace: str, ids: Sequence[str]) -> list[Vector]:
        """Read vectors in the order of `ids`; the missing are left out."""

    def delete(self, collection: Collection, namespace: str, ids: Sequence[str]) -> None:
        """Take vectors away; the missing are no error."""

    def nearest(
        self,
        collection: Collection,
        namespace: str,
        queries: Sequence[Sequence[float]],
        *,
        top_k: int,
        where: Sequence[Condition] = (),
    ) -> list[list[Match]]:
        """Find what is nearest to each of `queries`, the nearest first.

        Args:
            collection: what to search.
            namespace: whose.
            queries: vectors; each gets an answer of its own.
            top_k: the most matches of each.
            where: conditions on the metadata that all have to hold.
        """

    def count(self, collection: Collection, namespace: str) -> int:
        """Count a namespace's vectors."""

    def ids(self, collection: Collection, namespace: str, prefix: str = "") -> Iterator[str]:
        """Walk all ids that begin with `prefix`, in order."""

    def erase(self, collection: Collection, namespace: str) -> None:
        """Take all of a namespace's vectors away."""

    def check(self) -> None:
        """Do the least that proves the store answers; raises whatever the store raises."""
