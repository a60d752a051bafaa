"""The HTTP server: the API under `/v0.4`, and what tests steer and ask under `/standin`."""

import json
import socket
import threading
import time
import urllib.parse
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import ValidationError

from tests.standins.ionq.faults import BEFORE, Fault, Faults
from tests.standins.ionq.store import PROJECT, QUBITS, RETIRED, Course, Job, Store
from tests.standins.ionq.wire import Posted

VERSION = "/v0.4"
DEFAULT_LIMIT, PAGE_LIMIT = 25, 100
WAIT_MS = 397_577

_UNAUTHORIZED = "Invalid key provided. See https://docs.ionq.com/#authentication for details, or email support@ionq.co for help."
_NOT_FOUND = "Resource not found. See https://docs.ionq.com/ for details, or email support@ionq.co for help."
_BODY_LIMIT = 10_000_000
_CHARACTERIZATIONS = [
    {
        "id": "5b7f1f0a-0000-4000-8000-000000000001",
        "backend": "qpu.forte-1",
        "date": "2026-09-29T00:00:00Z",
        "qubits": 36,
        "connectivity": [[a, b] for b in range(36) for a in range(b)],
        "fidelity": {
            "spam": {"median": 0.991},
            "1q": {"median": 0.9997, "stderr": 0},
            "2q": {"median": 0.995, "stderr": 0},
        },
        "timing": {"readout": 0.00015, "reset": 5e-05, "1q": 0.00013, "2q": 0.00097, "t1": 100, "t2": 1},
    },
    {
        "id": "5b7f1f0a-0000-4000-8000-000000000002",
        "backend": "qpu.forte-enterprise-1",
        "date": "2026-09-28T00:00:00Z",
        "qubits": 36,
        "fidelity": {"spam": {"median": 0.9905}, "1q": {"median": None, "stderr": 0}, "2q": {"median": 0.994}},
        "timing": {"readout": 0.00015, "reset": 5e-05, "1q": 0.00013, "2q": 0.00097, "t1": 100, "t2": 1},
    },
]
_BACKENDS = [
    {
        "backend": name,
        "status": "retired" if name in RETIRED else "available",
        "degraded": name == "qpu.forte-enterprise-1",
        "qubits": qubits,
        "average_queue_time": 0 if name == "simulator" else 1_181_215,
        "last_updated": "2026-09-29T00:00:00Z",
        "supported_native_gates": ["gpi", "gpi2", "zz"],
    }
    for name, qubits in QUBITS.items()
]


class RefusedError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, error: str, message: str, **more: Any):
        super().__init__(message)
        self.status = status
        self.body = {"statusCode": status, "error": error, "message": message, **more}


class Cloud:
    """What the requests of all connections share."""

    def __init__(self, store: Store, key: str):
        self.store = store
        self.key = key
        self.lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Be as after the start, but for the jobs."""
        self.store.course = Course()
        self.page_limit = PAGE_LIMIT
        self.oldest_first = False
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        self.met: Counter[str] = Counter()


def handler(cloud: Cloud) -> type[BaseHTTPRequestHandler]:
    """The class that answers for a cloud."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            address = urllib.parse.urlsplit(self.path)
            query = urllib.parse.parse_qs(address.query)
            if address.path.startswith("/standin/"):
                return self.reply(200, steer(cloud, self.command, address.path.removeprefix("/standin/"), body))
            path = address.path.removeprefix(VERSION).strip("/").split("/")
            route = f"{self.command} {_route(path)}"
            fault = cloud.faults.next(self.command) if path[0] == "jobs" else None
            with cloud.lock:
                cloud.requests[route] += 1
                cloud.met[fault or "none"] += 1
            if fault in BEFORE:
                return self.fail(fault)
            status, said = self.asked(path, query, body)
            return self.deliver(status, said, fault)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def asked(self, path: list[str], query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
            try:
                if not self.path.startswith(VERSION + "/"):
                    raise RefusedError(404, "Not Found Error", _NOT_FOUND)
                if path[0] != "backends" and self.headers.get("Authorization") != f"apiKey {cloud.key}":
                    raise RefusedError(401, "Unauthorized Error", _UNAUTHORIZED)
                return api(cloud, self.command, path, query, body)
            except RefusedError as problem:
                return problem.status, problem.body

        def deliver(self, status: int, said: Any, fault: Fault | None) -> None:
            if fault == "late":
                time.sleep(cloud.faults.late_s)
            elif fault == "lost":
                return self.hang_up()
            elif fault == "lost_500":
                status, said = 500, _server_error()
            elif fault == "empty":
                said = {}
            elif fault == "html":
                return self.send(status, b"<html><body>Just a moment...</body></html>", "text/html")
            elif fault == "torn":
                text = json.dumps(said).encode()
                return self.send(status, text[: len(text) // 2], "application/json", length=len(text), last=True)
            return self.reply(status, said)

        def fail(self, fault: Fault | None) -> None:
            if fault == "drop":
                return self.hang_up()
            if fault == "502":
                return self.send(502, b"<html><body>502 Bad Gateway</body></html>", "text/html")
            if fault == "302":
                return self.reply(302, {}, {"Location": f"{VERSION}/jobs"})
            if fault in ("429", "429_bare"):
                later = {"Retry-After": str(cloud.faults.retry_after_s)} if fault == "429" else {}
                return self.reply(
                    429, {"statusCode": 429, "error": "Too Many Requests", "message": "slow down"}, later
                )
            return self.reply(int(fault or 500), _server_error())

        def hang_up(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def reply(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
            self.send(status, json.dumps(said).encode(), "application/json", headers)

        def send(
            self,
            status: int,
            text: bytes,
            kind: str,
            headers: dict[str, str] | None = None,
            *,
            length: int | None = None,
            last: bool = False,
        ) -> None:
            self.close_connection = self.close_connection or last
            self.send_response(status)
            for name, value in {"Content-Type": kind, **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text) if length is None else length))
            self.end_headers()
            self.wfile.write(text)

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):  # a connection that was hung up
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


def serve(cloud: Cloud, port: int) -> ThreadingHTTPServer:
    """A server on the loopback interface."""
    return _Server(("127.0.0.1", port), handler(cloud))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


# --- The API ---


def api(cloud: Cloud, method: str, path: list[str], query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
    """Answer a request; raises RefusedError."""
    match method, path:
        case "GET", ["whoami"]:
            key_id = str(uuid.uuid5(uuid.NAMESPACE_URL, "key"))
            return 200, {"key_id": key_id, "key_name": "stand-in", "project_id": PROJECT}
        case "GET", ["backends", *rest]:
            return 200, _backends(rest, query)
        case "POST", ["jobs"]:
            job = _create(cloud.store, body)
            return 201, {"id": job.id, "status": "submitted", "session_id": job.posted.session_id}
        case "GET", ["jobs"]:
            return 200, _listing(cloud, query)
        case "GET", ["jobs", "estimate"]:
            return 200, _estimate(query)
        case "PUT", ["jobs", "status", "cancel"]:
            ids = json.loads(body)["ids"]
            for each in ids:
                cloud.store.cancel(_find(cloud.store, each))
            return 200, {"ids": ids, "status": "canceled"}
        case _, ["jobs", job_id, *rest]:
            return 200, _about(cloud.store, method, _find(cloud.store, job_id), rest)
    raise RefusedError(404, "Not Found Error", _NOT_FOUND)


def _about(store: Store, method: str, job: Job, rest: list[str]) -> Any:
    match method, rest:
        case "GET", []:
            return store.described(job, whole=True)
        case "GET", ["cost"]:
            return store.cost(job)
        case "PUT", ["status", "cancel"]:
            store.cancel(job)
            return {"id": job.id, "status": "canceled"}
        case "GET", ["results", "probabilities"] | ["artifacts", "probabilities"] if not job.is_multi:
            if store.shows_result(job):
                return store.result(job)
        case "GET", ["results", "probabilities", "aggregated"] | ["artifacts", "probabilities-aggregate"] if (
            job.is_multi
        ):
            if store.shows_result(job):
                return store.aggregate(job)
    raise RefusedError(404, "Not Found Error", _NOT_FOUND)


def _create(store: Store, body: bytes) -> Job:
    if len(body) > _BODY_LIMIT:
        raise RefusedError(413, "Payload Too Large", "The request body may not exceed 10MB")
    try:
        posted = Posted.model_validate_json(body)
    except ValidationError as problem:
        keys = [".".join(map(str, error["loc"])) for error in problem.errors()]
        message = f'"{keys[0]}" was invalid: {problem.errors()[0]["msg"]}'
        raise RefusedError(400, "Bad Request", message, validation={"keys": keys, "source": "payload"}) from problem
    if posted.backend not in QUBITS or posted.backend in RETIRED:
        raise RefusedError(400, "Bad Request", f'"backend" was invalid: {posted.backend} takes no jobs')
    return store.accept(posted)


def _find(store: Store, job_id: str) -> Job:
    try:
        return store.job(job_id)
    except KeyError:
        raise RefusedError(404, "Not Found Error", _NOT_FOUND) from None


def _listing(cloud: Cloud, query: dict[str, list[str]]) -> dict[str, Any]:
    one = {name: values[0] for name, values in query.items()}
    ids, targets = query.get("ids"), one.get("target", "").split(",")
    chosen = [
        job
        for job in (reversed(cloud.store.newest()) if cloud.oldest_first else cloud.store.newest())
        if (ids is None or job.id in ids)
        and one.get("parent_job_id", job.parent) == job.parent
        and one.get("status") in (None, cloud.store.status(job))
        and ("target" not in one or job.posted.backend in targets)
    ]
    limit = min(int(one.get("limit", DEFAULT_LIMIT)), cloud.page_limit)
    first = next((index for index, job in enumerate(chosen) if job.id == one.get("next")), 0)
    page, behind = chosen[first : first + limit], chosen[first + limit :]
    return {"jobs": [cloud.store.described(job) for job in page], "next": behind[0].id if behind else None}


def _backends(rest: list[str], query: dict[str, list[str]]) -> Any:
    if not rest:
        return _BACKENDS
    known = {each["backend"]: each for each in _BACKENDS}
    if rest[0] in known and rest[1:] == []:
        return known[rest[0]]
    if rest[0] in known and rest[1:] == ["characterizations"]:
        limit = int(query.get("limit", ["10"])[0])
        found = [each for each in _CHARACTERIZATIONS if each["backend"] == rest[0]][:limit]
        return {"characterizations": found or None, "pages": 1}
    raise RefusedError(404, "Not Found Error", _NOT_FOUND)


def _estimate(query: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "estimate_context": {"backend": query["backend"][0]},
        "estimated_at": "2026-09-29T00:00:00Z",
        "estimated_unit": "usd",
        "rate_card": {"id": "stand-in", "rates": []},
        "estimated_total_cost": 0.35,
        "estimated_execution_time": 96_250,
        "current_predicted_queue_time": WAIT_MS,
    }


def _server_error() -> dict[str, Any]:
    message = "Internal service outage. Visit https://status.ionq.co/ to track this incident."
    return {"statusCode": 500, "error": "Internal Server Error", "message": message}


def _route(path: list[str]) -> str:
    """The path with ids left out, for counting."""
    return "/".join("{id}" if len(part) == 36 and part.count("-") == 4 else part for part in path)


# --- What tests steer and ask ---


def steer(cloud: Cloud, method: str, what: str, body: bytes) -> Any:
    """Do what a test wants, or tell it what it asks."""
    said = json.loads(body) if body else {}
    steered: dict[tuple[str, str], Callable[[], Any]] = {
        ("GET", "ready"): lambda: {"ready": True},
        ("GET", "accepted"): cloud.store.accepted,
        ("GET", "requests"): lambda: dict(cloud.requests),
        ("GET", "faults"): lambda: dict(cloud.met),
        ("PUT", "faults"): lambda: setattr(cloud, "faults", Faults(**said)),
        ("PUT", "course"): lambda: setattr(cloud.store, "course", replace(cloud.store.course, **said)),
        ("PUT", "pages"): lambda: vars(cloud).update(said),
        ("PUT", "reset"): cloud.reset,
    }
    return steered[method, what]()
