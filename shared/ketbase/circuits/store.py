"""Where circuits lie: a summary in the records, the definition in a blob, an entry per tag."""

from collections.abc import Callable, Iterator

from pydantic import BaseModel

from ketbase.circuits.types import Circuit, CircuitDefinition, CircuitSummary
from ketbase.errors import InvalidCircuitError
from ketbase.ports.blobs import BlobNotFoundError, Blobs
from ketbase.ports.records import (
    Absent,
    ConditionFailedError,
    Delete,
    Equals,
    Item,
    Key,
    Page,
    Put,
    Records,
    Update,
    Write,
)

MAX_STORED_BYTES = 5_000_000
"""A Lambda function answers with 6 MB at most."""


class StoredDefinition(BaseModel):
    """The blob of a circuit."""

    definition: CircuitDefinition
    source_qasm: str | None = None


class CircuitStore:
    """Circuits of one organisation at a time; nothing here crosses from one to another."""

    def __init__(self, records: Records, blobs: Blobs):
        self._records = records
        self._blobs = blobs

    def add(self, organization_id: str, circuit: Circuit, *beside: Write) -> None:
        """Keep a new circuit: the definition first, so that a circuit that can be listed can be read.

        `beside` is written in the same transaction.

        Raises:
            InvalidCircuitError: `CIRCUIT_TOO_LARGE`, it could not be given back in one answer.
        """
        stored = StoredDefinition(definition=circuit.circuit_definition, source_qasm=circuit.source_qasm)
        data = stored.model_dump_json().encode()
        if len(data) > MAX_STORED_BYTES:
            raise InvalidCircuitError(
                "CIRCUIT_TOO_LARGE",
                f"Written out gate by gate the circuit takes {len(data):,} bytes; "
                f"at most {MAX_STORED_BYTES:,} are kept.",
                limit_bytes=MAX_STORED_BYTES,
            )
        self._blobs.put(_blob(organization_id, circuit.id), data, content_type="application/json")
        self._records.write(
            Put(Item(_place(organization_id, circuit.id), _values(circuit, version=1)), (Absent(),)),
            Update(_tally(organization_id), add={"circuits": 1}),
            *(Put(_tag_item(organization_id, tag, circuit.id)) for tag in circuit.metadata.tags),
            *beside,
        )

    def summary(self, organization_id: str, circuit_id: str) -> CircuitSummary | None:
        """Read what a list shows of a circuit."""
        item = self._records.get(_place(organization_id, circuit_id))
        return None if item is None else _summary(item)

    def get(self, organization_id: str, circuit_id: str) -> Circuit | None:
        """Read a circuit, whole."""
        item = self._records.get(_place(organization_id, circuit_id))
        if item is None:
            return None
        try:
            blob = self._blobs.get(_blob(organization_id, circuit_id))
        except BlobNotFoundError:
            # Deleted between the two reads.
            return None
        stored = StoredDefinition.model_validate_json(blob)
        return Circuit(**dict(_summary(item)), circuit_definition=stored.definition, source_qasm=stored.source_qasm)

    def replace(self, organization_id: str, before: CircuitSummary, after: CircuitSummary, *beside: Write) -> bool:
        """Write a changed summary over the one that was read, and `beside`; `False` if somebody was quicker."""
        old, new = set(before.metadata.tags), set(after.metadata.tags)
        return self._write_if_unchanged(
            organization_id,
            before,
            lambda version: [
                Put(
                    Item(_place(organization_id, after.id), _values(after, version + 1)),
                    (Equals("version", version),),
                ),
                *(Delete(_tag_place(organization_id, tag, after.id)) for tag in sorted(old - new)),
                *(Put(_tag_item(organization_id, tag, after.id)) for tag in sorted(new - old)),
                *beside,
            ],
        )

    def remove(self, organization_id: str, circuit: CircuitSummary, *beside: Write) -> bool:
        """Take a circuit away, and write `beside`; `False` if somebody changed or removed it meanwhile."""
        removed = self._write_if_unchanged(
            organization_id,
            circuit,
            lambda version: [
                Delete(_place(organization_id, circuit.id), (Equals("version", version),)),
                Update(_tally(organization_id), add={"circuits": -1}),
                *(Delete(_tag_place(organization_id, tag, circuit.id)) for tag in circuit.metadata.tags),
                *beside,
            ],
        )
        if removed:
            self._blobs.delete(_blob(organization_id, circuit.id))
        return removed

    def walk(
        self, organization_id: str, tags: tuple[str, ...], *, after: str | None, descending: bool
    ) -> Iterator[CircuitSummary]:
        """Walk the circuits that carry all of `tags`, in order of their ids, from behind the id `after`."""
        while True:
            page = self._page(organization_id, tags, after, descending)
            for item in page.items:
                summary = _summary(item)
                if set(tags) <= set(summary.metadata.tags):
                    yield summary
            if page.next is None:
                return
            after = page.next.removeprefix("circuit#")

    def count(self, organization_id: str, tags: tuple[str, ...]) -> int:
        """Count the circuits that carry all of `tags`."""
        if not tags:
            tally = self._records.get(_tally(organization_id))
            return 0 if tally is None else int(tally.values.get("circuits", 0))
        if len(tags) == 1:
            return self._records.count(_tag_partition(organization_id, tags[0]))
        return sum(1 for _ in self.walk(organization_id, tags, after=None, descending=False))

    def _page(self, organization_id: str, tags: tuple[str, ...], after: str | None, descending: bool) -> Page:
        if not tags:
            start = None if after is None else f"circuit#{after}"
            return self._records.query(
                f"org#{organization_id}", prefix="circuit#", after=start, descending=descending
            )
        page = self._records.query(_tag_partition(organization_id, tags[0]), after=after, descending=descending)
        items = self._records.get_many(_place(organization_id, entry.key.sort) for entry in page.items)
        return Page(tuple(items), page.next)

    def _write_if_unchanged(
        self, organization_id: str, read: CircuitSummary, writes: Callable[[int], list[Write]]
    ) -> bool:
        item = self._records.get(_place(organization_id, read.id))
        if item is None or _summary(item) != read:
            return False
        try:
            self._records.write(*writes(int(item.values["version"])))
        except ConditionFailedError:
            return False
        return True


def _place(organization_id: str, circuit_id: str) -> Key:
    return Key(f"org#{organization_id}", f"circuit#{circuit_id}")


def _tally(organization_id: str) -> Key:
    return Key(f"org#{organization_id}", "tally#circuits")


def _tag_partition(organization_id: str, tag: str) -> str:
    return f"org#{organization_id}#circuit-tag#{tag}"


def _tag_place(organization_id: str, tag: str, circuit_id: str) -> Key:
    return Key(_tag_partition(organization_id, tag), circuit_id)


def _tag_item(organization_id: str, tag: str, circuit_id: str) -> Item:
    return Item(_tag_place(organization_id, tag, circuit_id), {})


def _blob(organization_id: str, circuit_id: str) -> str:
    return f"circuits/{organization_id}/{circuit_id}.json"


def _values(circuit: CircuitSummary, version: int) -> dict[str, object]:
    summary = circuit.model_dump(mode="json", include=set(CircuitSummary.model_fields))
    return {**summary, "version": version}


def _summary(item: Item) -> CircuitSummary:
    return CircuitSummary.model_validate({k: v for k, v in item.values.items() if k != "version"})
