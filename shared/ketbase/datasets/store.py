"""Where data sets lie: a record each, and the file in a blob."""

from collections.abc import Iterator

from ketbase.datasets import layout
from ketbase.datasets.types import Dataset
from ketbase.ports.blobs import BlobInfo, BlobNotFoundError, Blobs
from ketbase.ports.records import (
    Absent,
    ConditionFailedError,
    Delete,
    Item,
    Present,
    Put,
    Records,
    Update,
    Write,
    walk,
)


class DatasetStore:
    """Data sets of one organisation at a time; nothing here crosses from one to another."""

    def __init__(self, records: Records, blobs: Blobs):
        self._records = records
        self._blobs = blobs

    def add(self, organization_id: str, dataset: Dataset, *beside: Write) -> None:
        """Keep a new data set, whose file is not there yet, and write `beside`."""
        self._records.write(
            Put(_item(organization_id, dataset), (Absent(),)),
            Update(layout.tally(organization_id), add={"datasets": 1}),
            *beside,
        )

    def get(self, organization_id: str, dataset_id: str) -> Dataset | None:
        """Read what is known of a data set."""
        item = self._records.get(layout.place(organization_id, dataset_id))
        return None if item is None else Dataset.model_validate(item.values)

    def replace(self, organization_id: str, dataset: Dataset, *beside: Write) -> bool:
        """Keep what was found out of a data set, and write `beside`; `False` if it is gone."""
        try:
            self._records.write(Put(_item(organization_id, dataset), (Present(),)), *beside)
        except ConditionFailedError:
            return False
        return True

    def walk(self, organization_id: str, *, after: str | None, descending: bool) -> Iterator[Dataset]:
        """Walk the data sets in order of their ids, from behind the id `after`."""
        items = walk(
            self._records,
            layout.partition(organization_id),
            prefix=layout.PREFIX,
            after=None if after is None else f"{layout.PREFIX}{after}",
            descending=descending,
        )
        return (Dataset.model_validate(item.values) for item in items)

    def count(self, organization_id: str) -> int:
        """Count the data sets."""
        tally = self._records.get(layout.tally(organization_id))
        return 0 if tally is None else int(tally.values.get("datasets", 0))

    def remove(self, organization_id: str, dataset_id: str, *beside: Write) -> bool:
        """Take a data set and its file away, and write `beside`; `False` if somebody was quicker."""
        self.drop_file(organization_id, dataset_id)
        try:
            self._records.write(
                Delete(layout.place(organization_id, dataset_id), (Present(),)),
                Update(layout.tally(organization_id), add={"datasets": -1}),
                *beside,
            )
        except ConditionFailedError:
            return False
        return True

    def upload_link(self, organization_id: str, dataset_id: str, seconds: int) -> str | None:
        """Make an address to which the file can be sent for a while; `None` where the store has none."""
        return self._blobs.upload_link(layout.blob(organization_id, dataset_id), seconds)

    def file_info(self, organization_id: str, dataset_id: str) -> BlobInfo | None:
        """Describe the file; `None` where none arrived."""
        return self._blobs.info(layout.blob(organization_id, dataset_id))

    def file(self, organization_id: str, dataset_id: str) -> bytes | None:
        """Read the file; `None` where none arrived."""
        try:
            return self._blobs.get(layout.blob(organization_id, dataset_id))
        except BlobNotFoundError:
            return None

    def drop_file(self, organization_id: str, dataset_id: str) -> None:
        """Take the file away."""
        self._blobs.delete(layout.blob(organization_id, dataset_id))


def _item(organization_id: str, dataset: Dataset) -> Item:
    return Item(layout.place(organization_id, dataset.id), dataset.model_dump(mode="json"))
