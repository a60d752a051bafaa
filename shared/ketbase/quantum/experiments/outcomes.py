"""Counts as numbers: a row of bits for each outcome."""

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
from numpy.typing import NDArray

_CHUNK = 4_000_000
"""How many numbers are worked on at once: 32 MB."""


def outcomes(counts: Mapping[str, int], width: int) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Walk through counts in parts that fit into memory.

    Args:
        counts: shots per bitstring, qubit 0 rightmost.
        width: how many numbers are made of each outcome.

    Yields:
        Bits, shape (outcomes, qubits), that of qubit 0 first; and how often each outcome came, shape (outcomes,).
    """
    left = iter(counts.items())
    while some := dict(islice(left, max(1, _CHUNK // width))):
        text = np.frombuffer("".join(some).encode(), dtype=np.uint8).reshape(len(some), -1)
        yield (text[:, ::-1] - ord("0")).astype(float), np.fromiter(some.values(), float)
