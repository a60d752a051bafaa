"""Keeps vectors until it is killed: `python -m tests.contract.vector_worker FOLDER NAME`; says each batch that it kept."""

import itertools
import sys
from pathlib import Path

import numpy as np

from ketbase.adapters.vectors.embedded import EmbeddedVectors
from ketbase.ports.vectors import Collection, Vector

DIMENSION, BATCH = 8, 250
COLLECTION = Collection("killed", DIMENSION)
NAMESPACE = "org_killed"


def values_of(worker: str, number: int) -> list[float]:
    """The components of a worker's vector of this number."""
    rng = np.random.default_rng([number, *worker.encode()])
    return rng.normal(size=DIMENSION).astype(np.float32).tolist()


def main(folder: Path, worker: str) -> None:
    store = EmbeddedVectors(folder)
    for batch in itertools.count():
        numbers = range(batch * BATCH, (batch + 1) * BATCH)
        store.upsert(COLLECTION, NAMESPACE, [Vector(f"{worker}-{n}", values_of(worker, n)) for n in numbers])
        print(batch, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
