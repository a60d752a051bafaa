"""Files go to a signed address of the local stack, as large as they may be, and nowhere else."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from ketbase.adapters.blobs.files import FileBlobs
from ketbase.local.uploads import UploadDoor
from ketbase.runtime.uploads import key_of, upload_path
from ketbase.vault import Vault
from tests.fakes import TurnedClock

KEY = "datasets/org_1/dataset_1/file"
LIMIT = 300_000
VAULT = Vault(["a secret that is long enough"])


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def client(blobs: FileBlobs, clock: TurnedClock) -> TestClient:
    door = UploadDoor(PlainTextResponse("behind"), blobs, lambda path: key_of(VAULT, clock.now(), path), LIMIT)
    return TestClient(door)


def pieces(data: bytes, size: int = 50_000) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("data", [b"", b"a,b\n\x00\xff", bytes(range(250)) * 1_200])
def test_a_file_arrives_byte_for_byte(
    client: TestClient, blobs: FileBlobs, clock: TurnedClock, data: bytes, streamed: bool
) -> None:
    path = upload_path(VAULT, clock, KEY, 60)
    answer = client.put(path, content=pieces(data) if streamed else data, headers={"content-type": "text/csv"})
    assert answer.status_code == 200, answer.text
    assert blobs.get(KEY) == data
    info = blobs.info(KEY)
    assert info is not None
    assert (info.size, info.content_type) == (len(data), "text/csv")
    assert info.sha256 == hashlib.sha256(data).hexdigest()


def test_a_later_file_takes_the_place_of_an_earlier_one(
    client: TestClient, blobs: FileBlobs, clock: TurnedClock
) -> None:
    path = upload_path(VAULT, clock, KEY, 60)
    for data in (b"long and early", b"late"):
        client.put(path, content=data)
    assert blobs.get(KEY) == b"late"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_file_that_is_too_large_is_refused_and_nothing_stays(
    client: TestClient, blobs: FileBlobs, clock: TurnedClock, tmp_path: Path, streamed: bool
) -> None:
    data = bytes(LIMIT + 1)
    answer = client.put(upload_path(VAULT, clock, KEY, 60), content=pieces(data) if streamed else data)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_address_is_good_for_its_time_only(client: TestClient, blobs: FileBlobs, clock: TurnedClock) -> None:
    path = upload_path(VAULT, clock, KEY, 60)
    clock.turn(60)
    assert client.put(path, content=b"x").status_code == 200
    clock.turn(1)
    answer = client.put(path, content=b"y")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "UPLOAD_EXPIRED")
    assert blobs.get(KEY) == b"x"


@pytest.mark.parametrize(
    "sealed",
    ["", "x", "é", VAULT.seal("{}"), VAULT.seal(f'{{"key": "{KEY}"}}')],
    ids=["empty", "short", "no ASCII", "says nothing", "says too little"],
)
def test_an_address_that_nobody_gave_takes_nothing(client: TestClient, blobs: FileBlobs, sealed: str) -> None:
    assert client.put(f"/uploads/{sealed}", content=b"x").status_code == 403
    assert list(blobs.keys()) == []


def test_another_installations_address_takes_nothing(client: TestClient, clock: TurnedClock) -> None:
    path = upload_path(Vault(["another secret, also long"]), clock, KEY, 60)
    assert client.put(path, content=b"x").status_code == 403


@pytest.mark.parametrize(("method", "path"), [("GET", "/uploads/x"), ("PUT", "/v1/x"), ("POST", "/uploads/x")])
def test_all_else_goes_to_the_application(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, path).text == "behind"


def test_a_file_that_breaks_off_is_not_kept(blobs: FileBlobs, clock: TurnedClock, tmp_path: Path) -> None:
    import anyio

    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    door = UploadDoor(PlainTextResponse(""), blobs, lambda path: key_of(VAULT, clock.now(), path), LIMIT)
    scope = {"type": "http", "method": "PUT", "path": upload_path(VAULT, clock, KEY, 60), "headers": []}
    anyio.run(door, scope, receive, send)
    assert sent[0]["status"] == 403
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
