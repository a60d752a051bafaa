"""Where models lie: an entry in the records; the artifact, and what only the whole model shows, in blobs."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from ketbase.models import layout
from ketbase.models.types import Lineage, Metrics, ModelEntry, ModelStatus, ModelSummary
from ketbase.ports.blobs import BlobNotFoundError, Blobs
from ketbase.ports.records import (
    MAX_WRITES,
    Absent,
    ConditionFailedError,
    Delete,
    Equals,
    Index,
    Item,
    Put,
    Records,
    Update,
    Write,
    walk,
)
from ketbase.training.types import EpochReport

_DETAILS = "record.json"
_TRIES = 50


class Details(BaseModel):
    """The blob beside an artifact: what only the whole model shows."""

    evaluation: dict[str, Metrics]
    baselines: dict[str, Metrics]
    lineage: Lineage
    config: dict[str, Any]
    history: tuple[EpochReport, ...] = ()


class ModelStore:
    """Models of one organisation at a time; nothing here crosses from one to another."""

    def __init__(self, records: Records, blobs: Blobs):
        self._records = records
        self._blobs = blobs

    def add(
        self, organization_id: str, entry: ModelEntry, details: Details, files: dict[str, bytes], *beside: Write
    ) -> ModelEntry:
        """Keep a new model under the next version of its name; one that is there already is given back as it is.

        The files come first, so that a model that can be listed can be loaded. `beside` is written in the same
        transaction as the entry.
        """
        kept = self.entry(organization_id, entry.id)
        if kept is not None:
            return kept
        for name, data in {**files, _DETAILS: details.model_dump_json().encode()}.items():
            kind = "application/json" if name.endswith(".json") else "application/octet-stream"
            self._blobs.put(layout.blob(organization_id, entry.id, name), data, content_type=kind)
        counter = layout.versions(organization_id, entry.name)
        for _ in range(_TRIES):
            latest = self._records.get(counter)
            number = 0 if latest is None else int(latest.values["versions"])
            entry = entry.model_copy(update={"version": f"{number + 1}.0.0"})
            unchanged = Absent() if latest is None else Equals("versions", number)
            try:
                self._records.write(
                    Put(_item(organization_id, entry), (Absent(),)),
                    Put(Item(counter, {"name": entry.name, "versions": number + 1}), (unchanged,)),
                    Put(Item(layout.named(organization_id, entry.name, entry.id), {})),
                    Update(layout.tally(organization_id), add={"models": 1}),
                    *beside,
                )
            except ConditionFailedError:
                kept = self.entry(organization_id, entry.id)
                if kept is not None:
                    return kept
            else:
                return entry
        raise TimeoutError(f"{_TRIES} versions of {entry.name!r} were registered before this one")

    def entry(self, organization_id: str, model_id: str) -> ModelEntry | None:
        """Read what the records hold of a model."""
        item = self._records.get(layout.place(organization_id, model_id))
        return None if item is None else ModelEntry.model_validate(item.values)

    def details(self, organization_id: str, model_id: str) -> Details | None:
        """Read what only the whole model shows; `None` where it was deleted meanwhile."""
        data = self.file(organization_id, model_id, _DETAILS)
        return None if data is None else Details.model_validate_json(data)

    def file(self, organization_id: str, model_id: str, name: str) -> bytes | None:
        """Read one of a model's files."""
        try:
            return self._blobs.get(layout.blob(organization_id, model_id, name))
        except BlobNotFoundError:
            return None

    def walk(
        self,
        organization_id: str,
        status: ModelStatus | None,
        name: str | None,
        *,
        after: str | None,
        descending: bool,
    ) -> Iterator[ModelSummary]:
        """Walk the models, of a status and a name where these are given, in order of ids, from behind `after`."""
        if name is not None:
            found = self._of_name(organization_id, name, after, descending)
            return (each for each in found if status in (None, each.status))
        if status is not None:
            listed = layout.of_status(organization_id, status)
            return map(
                _summary,
                walk(self._records, listed, index=Index.LISTING, after=after, descending=descending),
            )
        start = None if after is None else f"{layout.PREFIX}{after}"
        own = layout.partition(organization_id)
        items = walk(self._records, own, prefix=layout.PREFIX, after=start, descending=descending)
        return map(_summary, items)

    def count(self, organization_id: str, status: ModelStatus | None, name: str | None) -> int:
        """Count what `walk` would find."""
        if name is not None:
            if status is None:
                return self._records.count(layout.of_name(organization_id, name))
            return sum(1 for _ in self.walk(organization_id, status, name, after=None, descending=False))
        if status is not None:
            return self._records.count(layout.of_status(organization_id, status), index=Index.LISTING)
        tally = self._records.get(layout.tally(organization_id))
        return 0 if tally is None else int(tally.values.get("models", 0))

    def change(self, organization_id: str, after: ModelEntry) -> Put:
        """Make the write of a changed entry; it does not hold where another change came first."""
        changed = after.model_copy(update={"revision": after.revision + 1})
        return Put(_item(organization_id, changed), (Equals("revision", after.revision),))

    def write(self, *writes: Write) -> bool:
        """Do all of the writes; `False` if somebody was quicker."""
        try:
            self._records.write(*writes)
        except ConditionFailedError:
            return False
        return True

    def remove(self, organization_id: str, entry: ModelEntry, *beside: Write) -> bool:
        """Take a model away, and write `beside`; `False` if somebody changed or removed it meanwhile.

        What was counted and the files go last: cut off on the way, an erasure still finds them.
        """
        removed = self.write(
            Delete(layout.place(organization_id, entry.id), (Equals("revision", entry.revision),)),
            Delete(layout.named(organization_id, entry.name, entry.id)),
            Update(layout.tally(organization_id), add={"models": -1}),
            *beside,
        )
        if removed:
            for _ in self._erase_counters(organization_id, entry.id):
                pass
            for name in (*layout.FILES, _DETAILS):
                self._blobs.delete(layout.blob(organization_id, entry.id, name))
        return removed

    def erase(self, organization_id: str) -> Iterator[None]:
        """Take away an organisation's models but their files, and pause after each small part."""
        for item in walk(self._records, layout.partition(organization_id), prefix=layout.PREFIX):
            entry = ModelEntry.model_validate(item.values)
            yield from self._erase_counters(organization_id, entry.id)
            replicas = 0 if entry.deployment is None or entry.status != "deployed" else entry.deployment.replicas
            with suppress(ConditionFailedError):  # it was retired a moment ago: the next walk finds it
                self._records.write(
                    Delete(item.key, (Equals("revision", entry.revision),)),
                    Delete(layout.named(organization_id, entry.name, entry.id)),
                    *([Update(layout.CAPACITY, add={"replicas": -replicas})] if replicas else []),
                )
            yield
        yield from self._erase_partition(layout.names(organization_id))

    def _erase_counters(self, organization_id: str, model_id: str) -> Iterator[None]:
        yield from self._erase_partition(layout.serving(organization_id, model_id))

    def _erase_partition(self, partition: str) -> Iterator[None]:
        while items := self._records.query(partition, limit=MAX_WRITES).items:
            self._records.write(*(Delete(item.key) for item in items))
            yield

    def _of_name(
        self, organization_id: str, name: str, after: str | None, descending: bool
    ) -> Iterator[ModelSummary]:
        entries = walk(self._records, layout.of_name(organization_id, name), after=after, descending=descending)
        for found in entries:
            item = self._records.get(layout.place(organization_id, found.key.sort))
            if item is not None:
                yield _summary(item)


def _item(organization_id: str, entry: ModelEntry) -> Item:
    indexes = layout.listed(organization_id, entry.status, entry.id)
    return Item(layout.place(organization_id, entry.id), entry.model_dump(mode="json"), indexes)


def _summary(item: Item) -> ModelSummary:
    return ModelSummary.model_validate({name: item.values.get(name) for name in ModelSummary.model_fields})
