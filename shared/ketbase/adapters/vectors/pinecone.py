"""The vectors port at Pinecone: an index for each collection, and in it a namespace for each tenant."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from pinecone import Pinecone
from pinecone.errors import (
    ConflictError,
    NotFoundError,
    PineconeConnectionError,
    PineconeTimeoutError,
    RateLimitError,
    ServiceError,
)
from pinecone.index import Index

from ketbase.adapters.vectors.rules import refuse_ids, refuse_place, refuse_queries, refuse_vectors
from ketbase.errors import UnavailableError
from ketbase.ports.vectors import AtLeast, AtMost, Collection, Condition, Equals, Label, Match, OneOf, Vector

PATIENCE_S = 20.0
"""How long one answer may take, with all that the SDK tries again by itself; an HTTP function has 29 s."""
_ATTEMPT_S = 6.0
_COME_BACK_S = 5
_AT_ONCE = 16
"""Requests at the same time."""
# https://docs.pinecone.io/reference/api/database-limits/operation-limits
_MOST_UPSERTED, _MOST_UPSERTED_BYTES = 1_000, 1_800_000
_BYTES_OF_A_NUMBER = 23
_MOST_DELETED = 1_000
_MOST_FETCHED, _MOST_FETCHED_NUMBERS = 100, 150_000
"""A request names each id in its address, and an answer ends at 4 MB."""
_PASSING = (RateLimitError, ServiceError, PineconeConnectionError, PineconeTimeoutError, TimeoutError)


class PineconeVectors:
    """Vectors in a Pinecone project.

    Pinecone is eventually consistent: what was written is found some seconds later. The SDK tries what is passing
    again (408, 429, 5xx, broken connections); all that is asked here may be asked twice.
    """

    def __init__(
        self,
        api_key: str,
        *,
        prefix: str,
        cloud: str,
        region: str,
        host: str | None = None,
        patience_s: float = PATIENCE_S,
    ):
        """Wire it; nothing is asked yet.

        Args:
            api_key: of the project.
            prefix: the first part of the names of our indexes, of 19 characters at most.
            cloud: where indexes are made: `aws`, `gcp` or `azure`.
            region: of the cloud.
            host: of the control plane, if not Pinecone's own.
            patience_s: how long one answer may take.
        """
        self._client = Pinecone(api_key=api_key, host=host, timeout=_ATTEMPT_S)
        self._api_key = api_key
        self._prefix = prefix
        self._deployment = {"deployment_type": "managed", "cloud": cloud, "region": region}
        self._patience_s = patience_s
        self._pool = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="pinecone")
        self._opened: dict[str, tuple[Collection, Index]] = {}

    # --- Writing ---

    def upsert(self, collection: Collection, namespace: str, vectors: Sequence[Vector]) -> None:
        """Keep vectors, each in place of the one that had its id; the index is made where it is missing.

        Raises:
            UnavailableError: `VECTORS_NOT_READY` while a new index is being made, `VECTORS_UNAVAILABLE`.
        """
        refuse_place(collection, namespace)
        refuse_vectors(collection, vectors)
        if not vectors:
            return
        index = self._index(collection) or self._made(collection)
        self._all(
            self._ask(index.upsert, vectors=some, namespace=namespace) for some in _batches(collection, vectors)
        )

    def delete(self, collection: Collection, namespace: str, ids: Sequence[str]) -> None:
        """Take vectors away; the missing are no error."""
        refuse_place(collection, namespace)
        refuse_ids(ids)
        if (index := self._index(collection)) is not None:
            self._all(
                self._ask(_or_none, index.delete, ids=some, namespace=namespace)
                for some in _cut(ids, _MOST_DELETED)
            )

    def erase(self, collection: Collection, namespace: str) -> None:
        """Take all of a namespace's vectors away."""
        refuse_place(collection, namespace)
        if (index := self._index(collection)) is not None:
            self._one(self._ask(_or_none, index.delete_namespace, name=namespace))

    # --- Reading ---

    def fetch(self, collection: Collection, namespace: str, ids: Sequence[str]) -> list[Vector]:
        """Read vectors in the order of `ids`; the missing are left out."""
        refuse_place(collection, namespace)
        refuse_ids(ids)
        if (index := self._index(collection)) is None:
            return []
        size = max(1, min(_MOST_FETCHED, _MOST_FETCHED_NUMBERS // collection.dimension))
        answers = self._all(self._ask(index.fetch, ids=some, namespace=namespace) for some in _cut(ids, size))
        kept = {name: vector for answer in answers for name, vector in answer.vectors.items()}
        return [Vector(each, list(kept[each].values), _labels(kept[each].metadata)) for each in ids if each in kept]

    def nearest(
        self,
        collection: Collection,
        namespace: str,
        queries: Sequence[Sequence[float]],
        *,
        top_k: int,
        where: Sequence[Condition] = (),
    ) -> list[list[Match]]:
        """Find what is nearest to each of `queries`, the nearest first."""
        refuse_place(collection, namespace)
        refuse_queries(collection, queries, top_k)
        if (index := self._index(collection)) is None:
            return [[] for _ in queries]
        condition = {"$and": [_said(each) for each in where]} if where else None
        answers = self._all(
            self._ask(index.query, top_k=top_k, vector=list(query), namespace=namespace, filter=condition)
            for query in queries
        )
        return [[Match(match.id, match.score) for match in answer.matches] for answer in answers]

    def count(self, collection: Collection, namespace: str) -> int:
        """Count a namespace's vectors, as of some seconds ago."""
        refuse_place(collection, namespace)
        if (index := self._index(collection)) is None:
            return 0
        described = self._one(self._ask(_or_none, index.describe_namespace, name=namespace))
        return 0 if described is None else int(described.record_count)

    def ids(self, collection: Collection, namespace: str, prefix: str = "") -> Iterator[str]:
        """Walk all ids that begin with `prefix`, in order."""
        refuse_place(collection, namespace)
        if (index := self._index(collection)) is None:
            return
        token = None
        while True:
            page = self._one(
                self._ask(index.list_paginated, prefix=prefix, namespace=namespace, pagination_token=token)
            )
            yield from (item.id for item in page.vectors)
            token = page.pagination and page.pagination.next
            if not token:
                return

    def check(self) -> None:
        """List the indexes."""
        self._one(self._ask(lambda: list(self._client.indexes.list(limit=1))))

    # --- Indexes ---

    def _index(self, collection: Collection) -> Index | None:
        """Open a collection's index; `None` where there is none, or where it was only just begun.

        Raises:
            ValueError: it was made for vectors of another dimension or metric.
        """
        if collection.name not in self._opened:
            found = self._one(self._ask(_or_none, self._client.indexes.describe, self._name(collection)))
            if found is None or not found.status.ready:
                return None
            self._opened[collection.name] = self._open(collection.name, found)
        made, index = self._opened[collection.name]
        if made != collection:
            raise ValueError(f"{collection.name} was made as {made}, and is no {collection}")
        return index

    def _made(self, collection: Collection) -> Index:
        shape = {"type": "dense_vector", "dimension": collection.dimension, "metric": collection.metric}
        create = partial(
            self._client.indexes.create,
            name=self._name(collection),
            schema={"fields": {_FIELD: shape}},
            deployment=self._deployment,
            timeout=max(int(self._patience_s) - 1, 1),
        )
        try:
            self._one(self._ask(_unless_there, create))
        except UnavailableError as problem:
            raise _not_ready(collection) from problem
        index = self._index(collection)
        if index is None:
            raise _not_ready(collection)
        return index

    def _open(self, name: str, found: Any) -> tuple[Collection, Index]:
        shape = found.schema.fields[_FIELD]
        index = Index(host=found.host, api_key=self._api_key, timeout=_ATTEMPT_S, connection_pool_maxsize=_AT_ONCE)
        return Collection(name, shape.dimension, shape.metric), index

    def _name(self, collection: Collection) -> str:
        return f"{self._prefix}-{collection.name}"

    # --- Requests ---

    def _ask(self, request: Callable[..., Any], *arguments: Any, **named: Any) -> "Future[Any]":
        # In a thread, because the SDK waits as long as a server tells it to, up to minutes.
        return self._pool.submit(request, *arguments, **named)

    def _one(self, asked: "Future[Any]") -> Any:
        try:
            return asked.result(timeout=self._patience_s)
        except _PASSING as problem:
            asked.cancel()
            raise UnavailableError(
                "VECTORS_UNAVAILABLE",
                "The store of vectors does not answer; try again in a moment.",
                retry_after_s=_COME_BACK_S,
            ) from problem

    def _all(self, asked: "Iterable[Future[Any]]") -> list[Any]:
        return [self._one(each) for each in list(asked)]


_FIELD = "_values"
"""Under this name the API of vectors keeps them; an index with other fields is one of documents."""


def _or_none(request: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        return request(*arguments, **named)
    except NotFoundError:
        return None


def _unless_there(create: Callable[[], Any]) -> None:
    try:
        create()
    except ConflictError:
        return


def _not_ready(collection: Collection) -> UnavailableError:
    return UnavailableError(
        "VECTORS_NOT_READY",
        f"The index of {collection.name} is being made; try again in a moment.",
        retry_after_s=_COME_BACK_S,
    )


def _batches(collection: Collection, vectors: Sequence[Vector]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for vector in vectors:
        metadata = {k: list(v) if isinstance(v, tuple) else v for k, v in vector.metadata.items()}
        own = _BYTES_OF_A_NUMBER * collection.dimension + len(json.dumps(metadata)) + len(vector.id) + 40
        if batch and (len(batch) == _MOST_UPSERTED or size + own > _MOST_UPSERTED_BYTES):
            yield batch
            batch, size = [], 0
        batch.append({"id": vector.id, "values": [float(v) for v in vector.values], "metadata": metadata})
        size += own
    yield batch


def _cut(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    return (list(ids[start : start + size]) for start in range(0, len(ids), size))


def _labels(metadata: dict[str, Any] | None) -> dict[str, Label]:
    return {name: tuple(label) if isinstance(label, list) else label for name, label in (metadata or {}).items()}


def _said(condition: Condition) -> dict[str, Any]:
    """Say a condition in Pinecone's language of filters."""
    match condition:
        case Equals(name, value):
            return {name: {"$eq": value}}
        case OneOf(name, values):
            return {name: {"$in": list(values)}}
        case AtLeast(name, bound):
            return {name: {"$gte": bound}}
        case AtMost(name, bound):
            return {name: {"$lte": bound}}
