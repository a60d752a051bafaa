"""Starts `ketbase up` as a process of its own, as a user would."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx

from ketbase.accounts.roles import SCOPES

KEY = "qsk_dev_000000000000000000000001"
"""The first owner's."""
RATE_LIMIT = 1_000_000
"""Of the key that the tests use: they ask far more often than a user."""
_START_S = 60.0


class User:
    """What a user does over HTTP, wherever the backend runs."""

    client: httpx.Client
    pause_s = 0.02

    def create(self, **body: Any) -> str:
        answer = self.client.post("/v1/circuits", json={"name": "test", **body})
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]["id"]

    def run(self, circuit_id: str, key: str | None = None, **body: Any) -> str:
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = self.client.post(f"/v1/circuits/{circuit_id}/run", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()["data"]["job_id"]

    def wait(self, job_id: str, seconds: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            job = self.client.get(f"/v1/jobs/{job_id}").json()["data"]
            if job["status"] not in ("queued", "running", "unknown"):
                return job
            time.sleep(self.pause_s)
        raise AssertionError(f"{job_id} is still {job['status']} after {seconds} s: {job}")

    def result(self, job_id: str, seconds: float = 60) -> dict[str, Any]:
        job = self.wait(job_id, seconds)
        assert job["status"] == "completed", job
        answer = self.client.get(f"/v1/jobs/{job_id}/result")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


class Stack(User):
    """One `ketbase up` on a port of its own; it can be killed and started again over the same data."""

    def __init__(self, data: Path, workers: int = 2, **settings: str):
        self.data = data
        self.settings = settings
        self.key: str | None = None
        self.workers = workers
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers={"X-API-Key": KEY}, timeout=60)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "ketbase.local", "up"]
        options = ["--port", str(self.port), "--data", str(self.data), "--workers", str(self.workers)]
        self.log = self.data.with_suffix(".log").open("ab")
        self._process = subprocess.Popen(
            command + options,
            env={
                **os.environ,
                "KETBASE_BOOTSTRAP_KEY": KEY,
                "KETBASE_MAX_KEY_RATE_LIMIT": str(RATE_LIMIT),
                **self.settings,
            },
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            try:
                if self.client.get("/ready").status_code == 200:
                    self._take_key()
                    return
            except httpx.TransportError:
                pass
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"the stack does not start:\n{self.log_text()[-3_000:]}")

    def _take_key(self) -> None:
        """Work with a key that may ask as often as it likes."""
        if self.key is None:
            body = {"name": "tests", "scopes": sorted(SCOPES), "rate_limit": RATE_LIMIT}
            answer = self.client.post("/v1/api-keys", json=body)
            assert answer.status_code == 201, answer.text
            self.key = answer.json()["data"]["key"]
        self.client.headers["X-API-Key"] = self.key

    def log_text(self) -> str:
        """What the server has printed so far."""
        return Path(self.log.name).read_text()

    def kill(self) -> None:
        """End the server as a power cut would, and only the server: its workers have to notice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self.client.close()


@contextmanager
def running_stack(data: Path, workers: int = 2, **settings: str) -> Iterator[Stack]:
    stack = Stack(data, workers, **settings)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
