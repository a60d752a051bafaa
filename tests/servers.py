"""Cloud services as real processes on this machine, for tests of the adapters and of the whole."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

REGION = "us-east-1"
CREDENTIALS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
START_S = 60.0

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

INDEXES = ("work", "listing", "backend")


@contextmanager
def ministack() -> Iterator[str]:
    """DynamoDB, quick and close to the original, and most of the rest of AWS; yields the address.

    Not its Step Functions: they know no time limit of a machine, and refuse to stop what is over.
    """
    port = free_port()
    settings = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "LOG_LEVEL": "ERROR",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",
    }
    with process([sys.executable, "-m", "ministack"], settings, f"http://127.0.0.1:{port}/_ministack/health"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def moto() -> Iterator[str]:
    """All of AWS that moto knows, its state machines running, its S3 listing 20 keys a page; yields the address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with process(command, {"MOTO_S3_DEFAULT_MAX_KEYS": "20"}, f"{url}/moto-api/"):
        config = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
        headers = {"Content-Type": "application/json"}
        _DIRECT.open(urllib.request.Request(f"{url}/moto-api/config", config, headers)).close()
        yield url


@contextmanager
def pinecone() -> Iterator[str]:
    """A server of Pinecone's protocol (`tests/peers/pinecone_server.py`); yields the address of its control plane."""
    port = free_port()
    command = [sys.executable, "-m", "tests.peers.pinecone_server", str(port)]
    with process(command, {}, f"http://127.0.0.1:{port}/indexes", cwd=Path(__file__).resolve().parents[1]):
        yield f"http://127.0.0.1:{port}"


def aws(service: str, url: str, **config: Any) -> Any:
    """A boto3 client of a service at `url`, with credentials that mean nothing."""
    return boto3.client(service, endpoint_url=url, region_name=REGION, config=Config(**config), **CREDENTIALS)


def create_table(client: Any, table: str) -> None:
    """Make the table of records as template.yaml declares it."""
    names = ["partition", "sort", *(f"{index}_{part}" for index in INDEXES for part in ("partition", "sort"))]
    client.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=_key_schema(""),
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": _key_schema(f"{index}_"),
                "Projection": {"ProjectionType": "ALL"},
            }
            for index in INDEXES
        ],
    )
    client.update_time_to_live(
        TableName=table, TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True}
    )


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _key_schema(stem: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": f"{stem}partition", "KeyType": "HASH"},
        {"AttributeName": f"{stem}sort", "KeyType": "RANGE"},
    ]


@contextmanager
def process(command: list[str], settings: Mapping[str, str], ready: str, cwd: Path | None = None) -> Iterator[None]:
    """Run a server until the context ends; `ready` is an address where it answers as soon as it is up."""
    # Neither a proxy nor somebody's own AWS account has a part in this.
    inherited = {k: v for k, v in os.environ.items() if not k.upper().endswith("_PROXY") and k[:4] != "AWS_"}
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=inherited | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, ready)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", ready: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode} before it answered at {ready}")
        try:
            _DIRECT.open(ready, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"no server answered at {ready} within {START_S:g} s")
