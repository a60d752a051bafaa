"""Uploads are announced, checked and taken away; what is wrong with a file is kept beside it."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.audit.service import Audit
from ketbase.audit.types import AuditFilter
from ketbase.datasets import layout, service
from ketbase.datasets.service import UPLOAD_S, Datasets
from ketbase.datasets.store import DatasetStore
from ketbase.datasets.types import CheckDataset, CreateDataset
from ketbase.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from ketbase.paging import PageRequest
from ketbase.quantum.data.reader import UploadReader
from tests.fakes import ALICE, BOB, DictBlobs, TurnedClock

FLOWERS = b"length,width,flower\n1.5,2,rose\n2.5,1,lily\n3.5,1,rose\n"


class House(SimpleNamespace):
    """Data sets over real records."""

    def __init__(self, folder: Path, own_link: Callable[[str, int], str | None]) -> None:
        clock, blobs = TurnedClock(), DictBlobs()
        records = SqliteRecords(folder / "records.db", clock)
        store = DatasetStore(records, blobs)
        datasets = Datasets(store, UploadReader, clock, own_link)
        super().__init__(records=records, blobs=blobs, store=store, datasets=datasets, clock=clock)

    def announced(self, name: str = "Flowers", form: Any = "csv") -> str:
        made: str = self.datasets.create(ALICE, CreateDataset(name=name, format=form)).dataset.id
        return made

    def uploaded(self, data: bytes = FLOWERS, **said: Any) -> str:
        dataset_id = self.announced(**said)
        self.blobs.kept[layout.blob(ALICE.organization_id, dataset_id)] = data
        return dataset_id

    def check(self, dataset_id: str, label: str | None = None) -> Any:
        return self.datasets.check(ALICE, dataset_id, CheckDataset(label=label))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, lambda key, seconds: f"https://here/{key}?{seconds}")


def test_an_upload_is_announced_with_the_address_for_its_file(house: House) -> None:
    upload = house.datasets.create(ALICE, CreateDataset(name="Flowers", format="csv"))
    key = layout.blob(ALICE.organization_id, upload.dataset.id)
    assert upload.upload_url == f"https://here/{key}?{UPLOAD_S}"
    assert (upload.expires_in_s, upload.headers) == (UPLOAD_S, {})
    assert upload.dataset == house.datasets.get(ALICE, upload.dataset.id)
    assert upload.dataset.status == "waiting"


def test_the_stores_own_address_comes_before_the_installations(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.blobs, "upload_link", lambda key, seconds: f"https://store/{key}", raising=False)
    upload = house.datasets.create(ALICE, CreateDataset(name="Flowers", format="csv"))
    assert upload.upload_url.startswith("https://store/datasets/")


def test_without_any_address_nothing_is_made(tmp_path: Path) -> None:
    house = House(tmp_path, lambda _key, _seconds: None)
    with pytest.raises(UnavailableError, match="HMAC"):
        house.announced()
    assert house.datasets.list(ALICE, PageRequest()).total == 0


def test_a_check_says_what_the_file_holds(house: House) -> None:
    dataset_id = house.uploaded()
    checked = house.check(dataset_id)
    assert checked == house.datasets.get(ALICE, dataset_id)
    assert (checked.status, checked.problem, checked.size_bytes) == ("ready", None, len(FLOWERS))
    assert checked.sha256 == hashlib.sha256(FLOWERS).hexdigest()
    assert (checked.n_samples, checked.n_features, checked.columns) == (3, 2, ("length", "width"))
    assert (checked.classes, checked.counts) == (("lily", "rose"), (1, 2))
    assert checked.checked_at == house.clock.now()


def test_a_check_looks_at_the_column_that_is_named(house: House) -> None:
    dataset_id = house.uploaded(b"flower,length\nrose,1.5\nlily,2.5\nrose,3.5\n")
    assert house.check(dataset_id).status == "refused"
    checked = house.check(dataset_id, "flower")
    assert (checked.status, checked.label, checked.columns) == ("ready", "flower", ("length",))


@pytest.mark.parametrize(
    ("data", "form", "problem"),
    [
        (FLOWERS, "npz", "said to be npz, and begins as csv"),
        (FLOWERS.replace(b"2,", b"x,"), "csv", "Row 1 of column 'width' is 'x'"),
        (b"", "csv", "empty"),
    ],
)
def test_a_file_that_is_no_data_is_refused_with_its_problem(
    house: House, data: bytes, form: str, problem: str
) -> None:
    dataset_id = house.uploaded(data, form=form)
    checked = house.check(dataset_id)
    assert checked == house.datasets.get(ALICE, dataset_id)
    assert checked.status == "refused"
    assert problem in checked.problem
    assert checked.sha256 == hashlib.sha256(data).hexdigest()
    with pytest.raises(InvalidError, match="was refused") as refused:
        house.datasets.usable(ALICE, dataset_id)
    assert refused.value.code == "INVALID_DATA"


def test_a_file_that_was_refused_by_one_label_may_be_used_by_another(house: House) -> None:
    dataset_id = house.uploaded(b"flower,length\nrose,1.5\nlily,2.5\nrose,3.5\n")
    assert house.check(dataset_id).status == "refused"
    assert house.datasets.usable(ALICE, dataset_id, "flower").id == dataset_id
    with pytest.raises(InvalidError, match="was refused"):
        house.datasets.usable(ALICE, dataset_id)


def test_another_file_under_the_same_address_may_be_checked_again(house: House) -> None:
    dataset_id = house.uploaded()
    assert house.check(dataset_id).status == "ready"
    house.blobs.kept[layout.blob(ALICE.organization_id, dataset_id)] = b"length,flower\nx,rose\n"
    refused = house.check(dataset_id)
    assert (refused.status, refused.n_samples, refused.columns, refused.classes) == ("refused", None, (), ())
    house.blobs.kept[layout.blob(ALICE.organization_id, dataset_id)] = FLOWERS
    ready = house.check(dataset_id)
    assert (ready.status, ready.problem, ready.n_samples) == ("ready", None, 3)


def test_a_file_that_is_too_large_is_not_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset_id = house.uploaded()
    monkeypatch.setattr(service, "MAX_UPLOAD_BYTES", len(FLOWERS) - 1)
    monkeypatch.setattr(house.blobs, "get", pytest.fail)
    checked = house.check(dataset_id)
    assert (checked.status, checked.sha256, checked.size_bytes) == ("refused", None, len(FLOWERS))
    assert "at most" in checked.problem


def test_too_many_columns_to_keep_are_counted(house: House) -> None:
    names = ",".join(f"c{number}" for number in range(300))
    row = ",".join(["1"] * 300)
    checked = house.check(house.uploaded(f"{names},y\n{row},0\n{row},1\n".encode()))
    assert (checked.n_features, len(checked.columns)) == (300, 100)


def test_before_the_file_is_there_it_is_neither_checked_nor_used(house: House) -> None:
    dataset_id = house.announced()
    for attempt in (lambda: house.check(dataset_id), lambda: house.datasets.usable(ALICE, dataset_id)):
        with pytest.raises(ConflictError) as raised:
            attempt()
        assert raised.value.code == "DATASET_NOT_UPLOADED"
    assert house.datasets.get(ALICE, dataset_id).status == "waiting"


def test_a_file_that_was_not_checked_may_be_used_unless_it_is_too_large(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_id = house.uploaded()
    assert house.datasets.usable(ALICE, dataset_id).status == "waiting"
    assert house.store.file(ALICE.organization_id, dataset_id) == FLOWERS
    monkeypatch.setattr(service, "MAX_UPLOAD_BYTES", len(FLOWERS) - 1)
    with pytest.raises(InvalidError, match="at most"):
        house.datasets.usable(ALICE, dataset_id)


def test_lists_go_from_new_to_old_in_pages(house: House) -> None:
    made = [house.announced(name) for name in ("a", "b", "c")]
    page = house.datasets.list(ALICE, PageRequest(limit=2))
    assert ([each.id for each in page.items], page.total) == (made[:0:-1], 3)
    page = house.datasets.list(ALICE, PageRequest(limit=2, cursor=page.cursor))
    assert [each.id for each in page.items] == made[:1]


def test_a_deleted_data_set_is_gone_with_its_file(house: House) -> None:
    kept, dataset_id = house.uploaded(), house.uploaded()
    house.datasets.delete(ALICE, dataset_id)
    assert list(house.blobs.kept) == [layout.blob(ALICE.organization_id, kept)]
    assert house.datasets.list(ALICE, PageRequest()).total == 1
    for attempt in (house.datasets.get, house.datasets.delete, house.datasets.usable):
        with pytest.raises(NotFoundError) as raised:
            attempt(ALICE, dataset_id)
        assert raised.value.code == "DATASET_NOT_FOUND"


def test_what_was_deleted_during_its_check_does_not_come_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_id = house.uploaded()
    read = house.blobs.get

    def meanwhile(key: str) -> bytes:
        data: bytes = read(key)
        house.datasets.delete(ALICE, dataset_id)
        return data

    monkeypatch.setattr(house.blobs, "get", meanwhile)
    with pytest.raises(NotFoundError):
        house.check(dataset_id)
    assert house.datasets.list(ALICE, PageRequest()).total == 0


def test_another_organisation_sees_none_of_it(house: House) -> None:
    dataset_id = house.uploaded()
    assert house.datasets.list(BOB, PageRequest()).total == 0
    for attempt in (
        lambda: house.datasets.get(BOB, dataset_id),
        lambda: house.datasets.delete(BOB, dataset_id),
        lambda: house.datasets.usable(BOB, dataset_id),
        lambda: house.datasets.check(BOB, dataset_id, CheckDataset()),
    ):
        with pytest.raises(NotFoundError):
            attempt()
    assert house.datasets.get(ALICE, dataset_id).status == "waiting"


def test_all_changes_are_in_the_audit_log(house: House) -> None:
    dataset_id = house.uploaded()
    house.check(dataset_id)
    house.datasets.delete(ALICE, dataset_id)
    lines = Audit(house.records).list(ALICE, AuditFilter(), PageRequest(descending=False)).items
    assert [(line.action, line.target) for line in lines] == [
        (f"dataset.{what}", dataset_id) for what in ("created", "checked", "deleted")
    ]
