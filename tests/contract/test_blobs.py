"""What every store of blobs does."""

import hashlib
import itertools
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ketbase.adapters.blobs.cos import CosBlobs, hmac_client, oauth_client
from ketbase.adapters.blobs.files import FileBlobs
from ketbase.adapters.blobs.s3 import S3Blobs
from ketbase.ports.blobs import BlobInfo, BlobNotFoundError, Blobs
from tests.ibm_cloud import API_KEY, INSTANCE, IbmCloud, ibm_cloud
from tests.servers import aws

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

BUCKETS = itertools.count()
JSON = "application/json"


@pytest.fixture(params=["files", "s3", "cos with hmac", "cos with oauth"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    match request.param:
        case "files":
            return FileBlobs(tmp_path / "blobs")
        case "s3":
            client = request.getfixturevalue("s3")
            return S3Blobs(client, create_bucket(client))
        case "cos with hmac":
            url, bucket = request.getfixturevalue("moto"), create_bucket(request.getfixturevalue("s3"))
            return CosBlobs(hmac_client(url, "testing", "testing"), bucket, links=True)
        case _:
            bucket = create_bucket(request.getfixturevalue("s3"))
            return CosBlobs(request.getfixturevalue("oauth"), bucket, links=False)


@pytest.fixture(scope="session")
def s3(moto: str) -> Any:
    return aws("s3", moto, signature_version="s3v4")


@pytest.fixture(scope="session")
def cloud(moto: str) -> Iterator[IbmCloud]:
    with ibm_cloud(moto) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def oauth(cloud: IbmCloud) -> Any:
    return oauth_client(cloud.endpoint_url, API_KEY, INSTANCE, cloud.token_url)


def create_bucket(s3: Any) -> str:
    bucket = f"blobs-{next(BUCKETS)}"
    s3.create_bucket(Bucket=bucket)
    return bucket


def fill(blobs: Blobs, *keys: str) -> None:
    for key in keys:
        blobs.put(key, key.encode(), content_type="text/plain")


@pytest.mark.parametrize("data", [b"", b"{}", b"\n", b"\r\nab\n\x00", bytes(range(256)) * 20_000])
def test_a_blob_comes_back_byte_for_byte(blobs: Blobs, data: bytes) -> None:
    blobs.put("results/job_1/counts.json", data, content_type=JSON)
    assert blobs.get("results/job_1/counts.json") == data


def test_a_blob_describes_itself(blobs: Blobs) -> None:
    data = b'{"00": 512}'
    blobs.put("a.json", data, content_type=JSON, metadata={"job-id": "job_1", "shots": "512"})
    assert blobs.info("a.json") == BlobInfo(
        len(data), JSON, hashlib.sha256(data).hexdigest(), {"job-id": "job_1", "shots": "512"}
    )
    blobs.put("b.bin", b"", content_type="application/octet-stream")
    assert blobs.info("b.bin") == BlobInfo(0, "application/octet-stream", hashlib.sha256().hexdigest(), {})


def test_a_later_blob_takes_the_place_of_an_earlier_one(blobs: Blobs) -> None:
    blobs.put("a", b"long and early", content_type=JSON, metadata={"old": "1"})
    blobs.put("a", b"late", content_type="text/plain")
    assert blobs.get("a") == b"late"
    assert blobs.info("a") == BlobInfo(4, "text/plain", hashlib.sha256(b"late").hexdigest(), {})
    assert list(blobs.keys()) == ["a"]


def test_a_missing_blob_is_said_to_be_missing(blobs: Blobs) -> None:
    fill(blobs, "a/b")
    for key in ["a", "a/b/c", "a/c", "b"]:
        assert blobs.info(key) is None
        with pytest.raises(BlobNotFoundError, match=key):
            blobs.get(key)


def test_a_deleted_blob_is_gone_and_deleting_it_again_is_no_error(blobs: Blobs) -> None:
    fill(blobs, "a", "a/b")
    blobs.delete("a")
    blobs.delete("a")
    blobs.delete("never/there")
    assert blobs.info("a") is None
    assert blobs.get("a/b") == b"a/b"


KEYS = ["A", "a", "a-b", "a.b", "a/b", "a/b/c", "a/b.c", "a/bc", "a=1/b", "ab", "b/a", "b_", "...", "-", "a/.b"]


def test_a_key_may_begin_another_key(blobs: Blobs) -> None:
    fill(blobs, *KEYS)
    assert [blobs.get(key) for key in KEYS] == [key.encode() for key in KEYS]


@pytest.mark.parametrize(
    "prefix", ["", "a", "a/", "a/b", "a/b/", "b", "a/b/c", "z", "/", "a//", "../", "a/../", ","]
)
def test_keys_are_walked_in_order(blobs: Blobs, prefix: str) -> None:
    fill(blobs, *KEYS)
    assert list(blobs.keys(prefix)) == sorted(key for key in KEYS if key.startswith(prefix))


def test_an_empty_store_has_no_keys(blobs: Blobs) -> None:
    assert list(blobs.keys()) == []
    assert list(blobs.keys("a/b")) == []


def test_keys_of_many_blobs_are_all_walked(blobs: Blobs) -> None:
    keys = [f"jobs/{n:02}" for n in range(50)]
    for key in keys:
        blobs.put(key, b"", content_type=JSON)
    assert list(blobs.keys("jobs/")) == keys


@pytest.mark.parametrize("key", ["x" * 900, "x" * 199 + "/" + "y" * 201 + "/" + "z" * 400, "a/" * 449 + "bc"])
def test_a_key_may_be_long(blobs: Blobs, key: str) -> None:
    fill(blobs, key, key[:-1] + "_")
    assert blobs.get(key) == key.encode()
    assert set(blobs.keys(key[:-1])) == {key, key[:-1] + "_"}


@pytest.mark.parametrize(
    "key",
    [
        "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "a b", "a\n", "a\x00", "a,b",
        "a\\b", "~", "é", "a*", "a?b", "a#b", "a%2e", "x" * 901,
    ],
)  # fmt: skip
def test_a_key_that_some_store_could_not_hold_is_refused(blobs: Blobs, key: str) -> None:
    for attempt in [
        lambda: blobs.put(key, b"", content_type=JSON),
        lambda: blobs.get(key),
        lambda: blobs.info(key),
        lambda: blobs.delete(key),
        lambda: blobs.link(key, 60),
        lambda: blobs.upload_link(key, 60),
    ]:
        with pytest.raises(ValueError, match="is no key"):
            attempt()
    assert list(blobs.keys()) == []


def test_anyone_can_read_a_blob_from_its_link_where_the_store_gives_one(blobs: Blobs) -> None:
    fill(blobs, "a/b=c")
    link = blobs.link("a/b=c", 60)
    can_link = isinstance(blobs, S3Blobs) or (isinstance(blobs, CosBlobs) and blobs._links)
    assert (link is not None) == can_link
    if link is not None:
        assert "Expires=60" in link
        with urllib.request.urlopen(link) as answer:
            assert answer.read() == b"a/b=c"


def test_anyone_can_send_a_blob_to_its_upload_link_where_the_store_gives_one(blobs: Blobs) -> None:
    link = blobs.upload_link("a/b=c", 60)
    can_link = isinstance(blobs, S3Blobs) or (isinstance(blobs, CosBlobs) and blobs._links)
    assert (link is not None) == can_link
    if link is None:
        return
    assert "Expires=60" in link
    assert blobs.info("a/b=c") is None
    request = urllib.request.Request(link, b"sent\x00\xff", {"Content-Type": "text/csv"}, method="PUT")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    assert blobs.get("a/b=c") == b"sent\x00\xff"
    assert blobs.info("a/b=c") == BlobInfo(6, "text/csv", "", {})
    assert list(blobs.keys("a/")) == ["a/b=c"]


def test_the_store_says_that_it_answers(blobs: Blobs) -> None:
    blobs.check()


def test_a_missing_bucket_does_not_answer(s3: Any) -> None:
    with pytest.raises(s3.exceptions.ClientError, match="404"):
        S3Blobs(s3, "no-such-bucket").check()


# --- S3 ---


def test_s3_refuses_what_was_harmed_on_its_way(ministack: str) -> None:
    s3 = aws("s3", ministack, retries={"total_max_attempts": 1})

    class Harmed(S3Blobs):
        def _integrity(self, data: bytes) -> Any:
            return super()._integrity(data + b"?")

    with pytest.raises(s3.exceptions.ClientError, match=r"BadDigest|InvalidRequest|checksum"):
        Harmed(s3, create_bucket(s3)).put("a", b"data", content_type=JSON)


# --- IBM Cloud ---


def test_each_request_to_cos_shows_the_token_that_the_api_key_bought(cloud: IbmCloud, oauth: Any, s3: Any) -> None:
    blobs = CosBlobs(oauth, create_bucket(s3), links=False)
    cloud.requests.clear()
    fill(blobs, "a")
    blobs.get("a")
    assert [request.method for request in cloud.requests] == ["PUT", "GET"]
    assert {request.authorization for request in cloud.requests} == {f"Bearer {cloud.token}"}
    assert cloud.sold_to == {API_KEY}


def test_cos_without_a_valid_api_key_is_closed(cloud: IbmCloud) -> None:
    client = oauth_client(cloud.endpoint_url, "wrong", INSTANCE, cloud.token_url)
    with pytest.raises(Exception, match="400"):
        CosBlobs(client, "bucket", links=False).check()


# --- Files ---

PUT_AGAIN_AND_AGAIN = """
import sys
from pathlib import Path
from ketbase.adapters.blobs.files import FileBlobs

blobs = FileBlobs(Path(sys.argv[1]))
while True:
    blobs.put("a/b", sys.argv[2].encode() * int(sys.argv[3]), content_type=sys.argv[2])
"""


def test_a_blob_that_two_processes_write_is_always_one_or_the_other(tmp_path: Path) -> None:
    sizes = {"a": 600_000, "b": 200_000}
    writers = [
        subprocess.Popen([sys.executable, "-c", PUT_AGAIN_AND_AGAIN, str(tmp_path), letter, str(size)])
        for letter, size in sizes.items()
    ]
    blobs = FileBlobs(tmp_path)
    seen: Counter[str] = Counter()
    try:
        while min(seen["a"], seen["b"]) < 150:
            if (info := blobs.info("a/b")) is None:
                continue
            assert info.size == sizes[info.content_type]
            data = blobs.get("a/b")
            letter = data[:1].decode()
            assert data == letter.encode() * sizes[letter]
            seen[letter] += 1
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()


def test_a_put_that_was_killed_leaves_no_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = FileBlobs(tmp_path)

    def kill(descriptor: int) -> None:
        raise KeyboardInterrupt

    fill(blobs, "a")
    monkeypatch.setattr(os, "fsync", kill)
    for key in ["a", "b"]:
        with pytest.raises(KeyboardInterrupt):
            blobs.put(key, b"new", content_type=JSON)
    monkeypatch.undo()
    assert list(blobs.keys()) == ["a"]
    assert blobs.get("a") == b"a"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a,blob"]


def test_a_blob_that_comes_in_pieces_is_seen_when_all_of_them_are_there(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    with blobs.incoming("a", content_type=JSON, metadata={"from": "x" * 2_000}) as write:
        for piece in (b"[1,", b"", b"2]"):
            write(piece)
        assert blobs.info("a") is None
    assert blobs.get("a") == b"[1,2]"
    assert blobs.info("a") == BlobInfo(5, JSON, hashlib.sha256(b"[1,2]").hexdigest(), {"from": "x" * 2_000})


def test_a_blob_of_which_a_piece_is_missing_is_not_kept(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    fill(blobs, "a")
    with suppress(OSError), blobs.incoming("a", content_type=JSON) as write:
        write(b"half")
        raise OSError("broken")
    assert blobs.get("a") == b"a"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a,blob"]


def test_files_are_forgotten_by_their_age_and_their_prefix(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    keys = ["jobs/a/old", "jobs/a/new", "audit/a/old", "jobs"]
    for key in keys:
        blobs.put(key, b"x", content_type="text/plain")
    year = 31_536_000
    for path in tmp_path.rglob("old,blob"):
        os.utime(path, (time.time() - year, time.time() - year))
    before = datetime.now(UTC) - timedelta(days=90)
    assert blobs.forget("jobs/", before) == 1
    assert sorted(blobs.keys()) == ["audit/a/old", "jobs", "jobs/a/new"]
    assert blobs.forget("jobs/", before) == 0
