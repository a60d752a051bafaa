"""Scores of stored vectors, computed one by one."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ketbase.ports.vectors import Metric

type Row = tuple[int, bytes]
"""A vector's key, and its components as they are stored."""


def best(
    rows: Iterable[Sequence[Row]], queries: Sequence[Sequence[float]], metric: Metric, top_k: int
) -> list[list[tuple[int, float]]]:
    """Give the keys and scores of the vectors nearest to each query, the nearest first, of two equals the older.

    Args:
        rows: the vectors, some at a time, so that not all are in memory at once.
        queries: as many vectors as answers are wanted.
        metric: of the collection.
        top_k: the most for each query.
    """
    asked = np.asarray(queries, dtype=np.float64)
    keys = np.empty(0, dtype=np.int64)
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]] = [(keys, np.empty(0))] * len(asked)
    for some in rows:
        if some:
            keys = np.array([key for key, _ in some], dtype=np.int64)
            nearness = _nearness(stacked([values for _, values in some]), asked, metric)
            found = [_kept(*before, keys, column, top_k) for before, column in zip(found, nearness.T, strict=True)]
    sign = -1.0 if metric == "euclidean" else 1.0
    return [
        [(int(keys[place]), sign * float(scores[place])) for place in np.lexsort((keys, -scores))]
        for keys, scores in found
    ]


def stacked(values: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """Lay stored vectors under each other."""
    return np.frombuffer(b"".join(values), dtype="<f4").reshape(len(values), -1)


def _nearness(
    vectors: npt.NDArray[np.float32], queries: npt.NDArray[np.float64], metric: Metric
) -> npt.NDArray[np.float64]:
    """Compare each vector (row) with each query (column), in double precision; more is nearer."""
    exact = vectors.astype(np.float64)
    products: npt.NDArray[np.float64] = exact @ queries.T
    if metric == "euclidean":
        lengths = np.square(exact).sum(axis=1)[:, None] + np.square(queries).sum(axis=1)[None, :]
        closeness: npt.NDArray[np.float64] = np.minimum(2.0 * products - lengths, 0.0)
        return closeness
    if metric == "dotproduct":
        return products
    norms = np.linalg.norm(exact, axis=1)[:, None] * np.linalg.norm(queries, axis=1)[None, :]
    return np.clip(products / norms, -1.0, 1.0)


def _kept(
    keys: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float64],
    more_keys: npt.NDArray[np.int64],
    more_scores: npt.NDArray[np.float64],
    top_k: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    keys, scores = np.concatenate((keys, more_keys)), np.concatenate((scores, more_scores))
    if len(keys) <= top_k:
        return keys, scores
    chosen = np.lexsort((keys, -scores))[:top_k]
    return keys[chosen], scores[chosen]
