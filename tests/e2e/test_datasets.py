"""Data sets over HTTP: announced, sent, checked, refused clearly, and gone with their organisation."""

import hashlib
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ketbase.runtime import wiring
from tests.e2e.installation import Installation, Member, found, installation

FLOWERS = b"length,width,flower\n1.5,2,rose\n2.5,1,lily\n3.5,1,rose\n"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("datasets")) as made:
        yield made


@pytest.fixture(scope="module")
def owner(house: Installation) -> Member:
    return found(house)


def announced(owner: Member, form: str = "csv") -> dict[str, Any]:
    return owner.data_of("POST", "/v1/datasets", json={"name": "Flowers", "format": form})


def sent(owner: Member, data: bytes, form: str = "csv") -> str:
    upload = announced(owner, form)
    answer = owner.house.client.put(upload["upload_url"], content=data, headers=upload["headers"])
    assert answer.status_code == 200, answer.text
    return upload["dataset"]["id"]


def checked(owner: Member, dataset_id: str, **body: Any) -> dict[str, Any]:
    return owner.data_of("POST", f"/v1/datasets/{dataset_id}/check", json=body)


def test_a_file_is_announced_sent_checked_listed_and_deleted(owner: Member) -> None:
    dataset_id = sent(owner, FLOWERS)
    ready = checked(owner, dataset_id)
    assert (ready["status"], ready["n_samples"], ready["columns"]) == ("ready", 3, ["length", "width"])
    assert (ready["classes"], ready["counts"]) == (["lily", "rose"], [1, 2])
    assert ready["sha256"] == hashlib.sha256(FLOWERS).hexdigest()
    assert owner.data_of("GET", f"/v1/datasets/{dataset_id}") == ready
    assert owner.data_of("GET", "/v1/datasets?limit=1") == [ready]
    owner.data_of("DELETE", f"/v1/datasets/{dataset_id}")
    answer = owner.call("GET", f"/v1/datasets/{dataset_id}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "DATASET_NOT_FOUND")
    assert list(wiring.blobs().keys(f"datasets/{owner.organization_id}/")) == []


def test_a_file_larger_than_a_body_arrives_whole(owner: Member) -> None:
    file = io.BytesIO()
    np.savez(file, x=np.random.default_rng(1).normal(size=(20_000, 20)), y=np.arange(20_000) % 3)
    dataset_id = sent(owner, file.getvalue(), "npz")
    ready = checked(owner, dataset_id)
    assert (ready["status"], ready["n_samples"], ready["n_features"]) == ("ready", 20_000, 20)
    assert ready["size_bytes"] == len(file.getvalue()) > 3_000_000


def test_a_file_that_is_not_what_it_says_is_refused(owner: Member) -> None:
    refused = checked(owner, sent(owner, FLOWERS, "parquet"))
    assert refused["status"] == "refused"
    assert "said to be parquet, and begins as csv" in refused["problem"]


def test_before_the_file_arrived_there_is_nothing_to_check(owner: Member) -> None:
    dataset_id = announced(owner)["dataset"]["id"]
    answer = owner.call("POST", f"/v1/datasets/{dataset_id}/check", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "DATASET_NOT_UPLOADED")


def test_an_address_takes_no_file_after_an_hour(owner: Member) -> None:
    upload = announced(owner)
    owner.house.clock.shift += timedelta(seconds=upload["expires_in_s"] + 1)
    answer = owner.house.client.put(upload["upload_url"], content=FLOWERS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "UPLOAD_EXPIRED")


def test_a_deleted_organisation_leaves_no_file(tmp_path: Path) -> None:
    with installation(tmp_path) as house:
        owner, other = found(house), found(house)
        sent(owner, FLOWERS)
        kept = sent(other, FLOWERS)
        name = owner.data_of("GET", "/v1/organization")["name"]
        owner.data_of("DELETE", "/v1/organization", json={"confirmation": name})
        house.clock.shift += timedelta(days=2)
        wiring.erasure().erase(house.clock.now() + timedelta(hours=1))
        assert [key.split("/")[2] for key in wiring.blobs().keys("datasets/")] == [kept]
