"""Where states lie: a summary in the records, the exact amplitudes in a blob, what finds them in the vectors.

The vectors hold single precision and may lag behind; they only propose. A state is there as long as its summary is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from ketbase.ports.blobs import BlobNotFoundError, Blobs
from ketbase.ports.records import (
    Absent,
    ConditionFailedError,
    Delete,
    Index,
    Item,
    Present,
    Put,
    Records,
    Update,
    Write,
    walk,
)
from ketbase.ports.vectors import Condition, Equals, Label, Match, Vector, Vectors
from ketbase.states import layout
from ketbase.states.types import State, StateFilter
from ketbase.types import iso

_READERS = 8
"""Blobs that are read at once."""


class StoredState(BaseModel):
    """The blob of a state; the amplitudes are little-endian complex128, in the JSON as base64."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    parameters: dict[str, float]
    amplitudes: bytes


class Kept(NamedTuple):
    """A state with all that is kept of it."""

    state: State
    stored: StoredState


class StateStore:
    """States of one organisation at a time; nothing here crosses from one to another."""

    def __init__(self, records: Records, blobs: Blobs, vectors: Callable[[], Vectors]):
        """Wire it; `vectors` is only asked for where states come, go or are searched: few functions carry it."""
        self._records = records
        self._blobs = blobs
        self._vectors = vectors

    def add(
        self, organization_id: str, state: State, stored: StoredState, vector: Sequence[float], *beside: Write
    ) -> None:
        """Keep a new state: what a search needs first, so that a state that can be listed can be found.

        `beside` is written in the same transaction as the summary.
        """
        found_by = Vector(state.id, vector, _labels(state))
        data = stored.model_dump_json().encode()
        self._blobs.put(layout.blob(organization_id, state.id), data, content_type="application/json")
        self._vectors().upsert(layout.collection(state.n_qubits), organization_id, [found_by])
        indexes = layout.listed(organization_id, state.circuit_id, state.id)
        summary = Item(layout.place(organization_id, state.id), state.model_dump(mode="json"), indexes)
        self._records.write(
            Put(summary, (Absent(),)), Update(layout.tally(organization_id), add={"states": 1}), *beside
        )

    def get(self, organization_id: str, state_id: str) -> Kept | None:
        """Read a state, whole."""
        return next(iter(self.get_many(organization_id, [state_id])), None)

    def get_many(self, organization_id: str, state_ids: Iterable[str]) -> list[Kept]:
        """Read several states, whole, without the missing."""
        items = self._records.get_many(layout.place(organization_id, state_id) for state_id in state_ids)
        states = [_state(item) for item in items]
        if len(states) < 2:
            blobs = [self._stored(organization_id, state.id) for state in states]
        else:
            with ThreadPoolExecutor(min(_READERS, len(states))) as pool:
                blobs = list(pool.map(lambda state: self._stored(organization_id, state.id), states))
        return [Kept(state, stored) for state, stored in zip(states, blobs, strict=True) if stored is not None]

    def summary(self, organization_id: str, state_id: str) -> State | None:
        """Read what a list shows of a state."""
        item = self._records.get(layout.place(organization_id, state_id))
        return None if item is None else _state(item)

    def walk(
        self, organization_id: str, circuit_id: str | None, *, after: str | None, descending: bool
    ) -> Iterator[State]:
        """Walk the states, those of one circuit or all, in order of their ids, from behind the id `after`."""
        if circuit_id is None:
            start = None if after is None else f"{layout.PREFIX}{after}"
            items = walk(
                self._records,
                layout.partition(organization_id),
                prefix=layout.PREFIX,
                after=start,
                descending=descending,
            )
        else:
            listed = layout.of_circuit(organization_id, circuit_id)
            items = walk(self._records, listed, index=Index.LISTING, after=after, descending=descending)
        return map(_state, items)

    def count(self, organization_id: str, circuit_id: str | None) -> int:
        """Count the states, those of one circuit or all."""
        if circuit_id is not None:
            return self._records.count(layout.of_circuit(organization_id, circuit_id), index=Index.LISTING)
        tally = self._records.get(layout.tally(organization_id))
        return 0 if tally is None else int(tally.values.get("states", 0))

    def remove(self, organization_id: str, state: State, *beside: Write) -> bool:
        """Take a state away, and write `beside`; `False` if somebody was quicker.

        What finds it goes first and its amplitudes go last: cut off on the way, it can be removed again.
        """
        self._vectors().delete(layout.collection(state.n_qubits), organization_id, [state.id])
        try:
            self._records.write(
                Delete(layout.place(organization_id, state.id), (Present(),)),
                Update(layout.tally(organization_id), add={"states": -1}),
                *beside,
            )
        except ConditionFailedError:
            return False
        self._blobs.delete(layout.blob(organization_id, state.id))
        return True

    def nearest(
        self,
        organization_id: str,
        n_qubits: int,
        queries: Sequence[Sequence[float]],
        top_k: int,
        wanted: StateFilter,
    ) -> list[list[Match]]:
        """Find the vectors of states nearest to each of `queries`; some of the states may be gone by now."""
        collection = layout.collection(n_qubits)
        return self._vectors().nearest(collection, organization_id, queries, top_k=top_k, where=_conditions(wanted))

    def erase_vectors(self, organization_id: str) -> Iterator[None]:
        """Take away all by which an organisation's states are found, and pause after each small part."""
        for collection in layout.COLLECTIONS:
            self._vectors().erase(collection, organization_id)
            yield

    def _stored(self, organization_id: str, state_id: str) -> StoredState | None:
        try:
            return StoredState.model_validate_json(self._blobs.get(layout.blob(organization_id, state_id)))
        except BlobNotFoundError:  # deleted between the two reads
            return None


def _state(item: Item) -> State:
    return State.model_validate(item.values)


# --- What states are filtered by ---


def _labels(state: State) -> dict[str, Label]:
    labels: dict[str, Label] = {
        "circuit_id": state.circuit_id,
        "user_id": state.user_id,
        "n_qubits": state.n_qubits,
        "timestamp": iso(state.created_at),
    }
    if state.metadata.tags:
        labels["tags"] = state.metadata.tags
    own = state.metadata.model_dump(mode="json", exclude={"tags"})
    return labels | {_label(name): value for name, value in own.items() if _is_scalar(value)}


def _is_scalar(value: object) -> bool:
    """Say whether a value is text, a boolean, or a number that a float can say."""
    return isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 2**1023)


def _conditions(wanted: StateFilter) -> list[Condition]:
    of_circuit = [] if wanted.circuit_id is None else [Equals("circuit_id", wanted.circuit_id)]
    tags = [Equals("tags", tag) for tag in wanted.tags]
    return [*of_circuit, *tags, *(Equals(_label(name), value) for name, value in wanted.metadata.items())]


def _label(name: str) -> str:
    return f"metadata_{name}"
