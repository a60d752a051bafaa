"""Keeps what an organisation uploads."""

import hashlib
from collections.abc import Callable

from ketbase.accounts.types import Caller
from ketbase.audit.lines import line
from ketbase.datasets import layout
from ketbase.datasets.store import DatasetStore
from ketbase.datasets.types import MAX_UPLOAD_BYTES, CheckDataset, CreateDataset, Dataset, Upload
from ketbase.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from ketbase.ids import new_id
from ketbase.paging import PageRequest, Slice, take
from ketbase.ports.clock import Clock
from ketbase.ports.datasets import DataReader

UPLOAD_S = 3_600
"""How long an address for an upload is good for."""
_COLUMNS_SHOWN = 100


class Datasets:
    """What can be done with uploaded data."""

    def __init__(
        self,
        store: DatasetStore,
        reader: Callable[[], DataReader],
        clock: Clock,
        own_link: Callable[[str, int], str | None],
    ):
        """Wire it.

        Args:
            store: where data sets lie.
            reader: only asked for where a file is read: few functions carry it.
            clock: the time.
            own_link: takes a blob's key and seconds, and gives an address of this installation to which the file
                can be sent, where the store of blobs has none; `None` if there is none either.
        """
        self._store = store
        self._reader = reader
        self._clock = clock
        self._own_link = own_link

    def create(self, caller: Caller, body: CreateDataset) -> Upload:
        """Make a data set, and say where its file is to be sent.

        Raises:
            UnavailableError: `UPLOADS_NOT_CONFIGURED`, this installation has no such address.
        """
        dataset = Dataset(
            id=new_id("dataset"),
            user_id=caller.user_id,
            name=body.name,
            format=body.format,
            status="waiting",
            created_at=self._clock.now(),
        )
        link = self._store.upload_link(caller.organization_id, dataset.id, UPLOAD_S) or self._own_link(
            layout.blob(caller.organization_id, dataset.id), UPLOAD_S
        )
        if link is None:
            raise UnavailableError(
                "UPLOADS_NOT_CONFIGURED",
                "This installation's store of blobs gives no addresses for uploads; IBM COS does with HMAC keys.",
            )
        told = line(self._clock, caller, "dataset.created", dataset.id, name=dataset.name, format=dataset.format)
        self._store.add(caller.organization_id, dataset, told)
        return Upload(dataset=dataset, upload_url=link, expires_in_s=UPLOAD_S)

    def get(self, caller: Caller, dataset_id: str) -> Dataset:
        """Read what is known of a data set.

        Raises:
            NotFoundError: `DATASET_NOT_FOUND`.
        """
        dataset = self._store.get(caller.organization_id, dataset_id)
        if dataset is None:
            raise _not_found(dataset_id)
        return dataset

    def list(self, caller: Caller, request: PageRequest) -> Slice[Dataset]:
        """List the data sets in order of creation."""
        walk = self._store.walk(caller.organization_id, after=request.cursor, descending=request.descending)
        return take(walk, request, self._store.count(caller.organization_id))

    def delete(self, caller: Caller, dataset_id: str) -> None:
        """Take a data set away with its file; what was trained on it keeps its own copy.

        Raises:
            NotFoundError: `DATASET_NOT_FOUND`.
        """
        dataset = self.get(caller, dataset_id)
        told = line(self._clock, caller, "dataset.deleted", dataset_id, name=dataset.name)
        if not self._store.remove(caller.organization_id, dataset_id, told):
            raise _not_found(dataset_id)

    def check(self, caller: Caller, dataset_id: str, body: CheckDataset) -> Dataset:
        """Read the file that arrived, and note what it holds, or what is wrong with it.

        Raises:
            NotFoundError: `DATASET_NOT_FOUND`.
            ConflictError: `DATASET_NOT_UPLOADED`.
        """
        dataset = self.get(caller, dataset_id)
        self._arrived(caller, dataset)
        checked = self._checked(caller, dataset, body.label)
        told = line(self._clock, caller, "dataset.checked", dataset_id, status=checked.status)
        if not self._store.replace(caller.organization_id, checked, told):
            raise _not_found(dataset_id)
        return checked

    def usable(self, caller: Caller, dataset_id: str, label: str | None = None) -> Dataset:
        """Give a data set that can be trained on by the classes of `label`, as far as is known without reading it.

        Raises:
            NotFoundError: `DATASET_NOT_FOUND`.
            ConflictError: `DATASET_NOT_UPLOADED`.
            InvalidError: `INVALID_DATA`, the file is too large, or was checked by the same label and refused.
        """
        dataset = self.get(caller, dataset_id)
        size = self._arrived(caller, dataset)
        if dataset.status == "refused" and dataset.label == label:
            raise InvalidError(
                "INVALID_DATA",
                f"The data set was refused: {dataset.problem}",
                field="dataset.dataset_id",
                dataset_id=dataset_id,
            )
        _refuse_too_large(size)
        return dataset

    def _arrived(self, caller: Caller, dataset: Dataset) -> int:
        """Give the size of the file in bytes."""
        info = self._store.file_info(caller.organization_id, dataset.id)
        if info is None:
            raise ConflictError(
                "DATASET_NOT_UPLOADED",
                "No file arrived yet: send it to the upload_url that POST /v1/datasets gave.",
                dataset_id=dataset.id,
            )
        return info.size

    def _checked(self, caller: Caller, dataset: Dataset, label: str | None) -> Dataset:
        size = self._arrived(caller, dataset)
        seen: dict[str, object] = {"size_bytes": size, "label": label, "checked_at": self._clock.now()}
        data = None
        try:
            _refuse_too_large(size)
            data = self._store.file(caller.organization_id, dataset.id) or b""
            found = self._reader().examine(data, dataset.format, label)
        except InvalidError as problem:
            nothing = {"n_samples": None, "n_features": None, "columns": (), "classes": (), "counts": ()}
            seen |= {"status": "refused", "problem": problem.message, **nothing}
        else:
            seen |= {
                "status": "ready",
                "problem": None,
                "n_samples": found.n_samples,
                "n_features": len(found.columns),
                "columns": found.columns[:_COLUMNS_SHOWN],
                "classes": found.classes,
                "counts": found.counts,
            }
        seen["sha256"] = None if data is None else hashlib.sha256(data).hexdigest()
        return dataset.model_copy(update=seen)


def _refuse_too_large(size: int) -> None:
    if size > MAX_UPLOAD_BYTES:
        raise InvalidError(
            "INVALID_DATA",
            f"The file has {size:,} bytes; at most {MAX_UPLOAD_BYTES:,} are read.",
            field="file",
            given=size,
            limit=MAX_UPLOAD_BYTES,
        )


def _not_found(dataset_id: str) -> NotFoundError:
    return NotFoundError("DATASET_NOT_FOUND", f"There is no data set {dataset_id!r}.", dataset_id=dataset_id)
