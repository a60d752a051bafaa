"""Indexes of approximate neighbours: what of a large namespace is worth a closer look.

An index (USearch, a hierarchical navigable small world: Malkov and Yashunin, arXiv:1603.09320) is only a proposal.
The vectors in SQLite are the truth: whoever asks looks each proposal up there, and scores it again. So an index may
be behind, or hold what is gone, and a file that is missing or broken costs time and nothing else.
"""

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from usearch.index import Index

from ketbase.adapters.vectors.scoring import Row, stacked
from ketbase.ports.vectors import Metric

_METRICS = {"cosine": "cos", "dotproduct": "ip", "euclidean": "l2sq"}
_DTYPE = "bf16"  # half the room of f32, a quarter of the time for long vectors; scores come from SQLite
_CONNECTIVITY, _EXPANSION_ADD, _EXPANSION_SEARCH = 16, 128, 128
_SAVED_AFTER = 0.1
"""An index is written again when it has grown by this part of its size."""
_MOST_OPEN = 32
"""So many indexes stay in memory."""
_FILE = re.compile(r"(\d+)-(\d+)\.usearch")


class SpaceIndex:
    """The index of one namespace, in this process.

    Attributes:
        upto: vectors with keys up to this one are in it, or were once.
    """

    def __init__(self, folder: Path, space: int, dimension: int, metric: Metric):
        self._folder = folder
        self._space = space
        self._dimension = dimension
        self._metric = metric
        self._lock = threading.Lock()
        self._index = self._empty()
        self.upto = self._saved_size = 0
        self._load()

    def __len__(self) -> int:
        """How many vectors it knows, gone ones among them."""
        return len(self._index)

    def add(self, rows: Iterable[Sequence[Row]]) -> None:
        """Take in vectors in the order of their keys, all of those behind `upto`."""
        with self._lock:
            for some in rows:
                fresh = [row for row in some if row[0] > self.upto]
                if fresh:
                    keys = [key for key, _ in fresh]
                    self._index.add(np.array(keys, dtype=np.uint64), stacked([values for _, values in fresh]))
                    self.upto = keys[-1]
            if len(self._index) > self._saved_size * (1 + _SAVED_AFTER):
                self._save()

    def begin_again(self) -> None:
        """Forget all vectors."""
        with self._lock:
            self._index = self._empty()
            self.upto = self._saved_size = 0

    def propose(self, query: Sequence[float], count: int) -> tuple[list[int], int]:
        """Give the keys of about the `count` nearest, and up to which key the index knew them all."""
        with self._lock:
            if not len(self._index):
                return [], self.upto
            found = self._index.search(np.asarray(query, dtype=np.float32), count)
            return [int(key) for key in found.keys], self.upto

    def _empty(self) -> Index:
        return Index(
            ndim=self._dimension,
            metric=_METRICS[self._metric],
            dtype=_DTYPE,
            connectivity=_CONNECTIVITY,
            expansion_add=_EXPANSION_ADD,
            expansion_search=_EXPANSION_SEARCH,
        )

    # --- Files: one for each state, so that whoever reads one never sees it change ---

    def _load(self) -> None:
        for upto, path in sorted(_files(self._folder, self._space), reverse=True):
            index = self._empty()
            with suppress(Exception):  # broken, or taken away by a process that has written a newer one
                index.load(path)
                if index.ndim == self._dimension:
                    self._index = index
                    self.upto = upto
                    self._saved_size = len(index)
                    return

    def _save(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / f"{self._space}-{self.upto}.{os.getpid()}.draft"
        self._index.save(draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(self._folder / f"{self._space}-{self.upto}.usearch")
        self._saved_size = len(self._index)
        for upto, path in _files(self._folder, self._space):
            if upto < self.upto:
                path.unlink(missing_ok=True)


class Indexes:
    """The indexes that were last asked for."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._begin_process()

    def of(self, space: int, dimension: int, metric: Metric) -> SpaceIndex:
        """Open the index of a namespace."""
        if self._process != os.getpid():
            self._begin_process()
        with self._lock:
            if space not in self._open:
                self._open[space] = SpaceIndex(self._folder, space, dimension, metric)
            self._open.move_to_end(space)
            while len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
            return self._open[space]

    def _begin_process(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._open: OrderedDict[int, SpaceIndex] = OrderedDict()


def _files(folder: Path, space: int) -> list[tuple[int, Path]]:
    with suppress(FileNotFoundError):
        found = [(_FILE.fullmatch(path.name), path) for path in folder.iterdir()]
        return [(int(named[2]), path) for named, path in found if named and int(named[1]) == space]
    return []
