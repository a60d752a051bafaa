"""The HTTP server: sign-in, instances, the REST API under `/api/v1`, and what tests steer and ask under `/standin`."""

import json
import socket
import threading
import time
import urllib.parse
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt

from tests.standins.ibm import machines
from tests.standins.ibm.jobs import FINAL, Course, Job, Jobs
from tests.standins.ionq.faults import BEFORE, Fault, Faults

API = "/api/v1"
DEFAULT_LIMIT, PAGE_LIMIT = 10, 200
MOST_TAGS, LONGEST_TAG = 8, 86
VERSION = "2026-04-15"

type Query = dict[str, list[str]]


class RefusedError(Exception):
    """An answer that is an error, in the form that the REST API gives it."""

    def __init__(self, status: int, code: int, message: str, solution: str = ""):
        super().__init__(message)
        self.status = status
        error = {"code": code, "message": message, "solution": solution}
        self.body = {"errors": [error | {"more_info": "https://quantum.cloud.ibm.com/docs/errors"}], "trace": "t"}


class Cloud:
    """What the requests of all connections share."""

    def __init__(self, key: str, *, ideal: bool):
        self.key = key
        self.jobs = Jobs(ideal=ideal)
        self.tokens: set[str] = set()
        self.sessions: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Be as after the start, but for the jobs."""
        self.jobs.course = Course()
        self.faults = Faults()
        self.requests: Counter[str] = Counter()


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
            if not address.path.startswith(API + "/"):
                return self.reply(*around(cloud, self.command, address.path, body))
            path = address.path.removeprefix(API).strip("/").split("/")
            route = f"{self.command} {_route(path)}"
            fault = cloud.faults.next(self.command if path[0] == "jobs" else route)
            with cloud.lock:
                cloud.requests[route] += 1
            if fault in BEFORE:
                return self.fail(fault)
            return self.deliver(*self.asked(path, query, body), fault)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def asked(self, path: list[str], query: Query, body: bytes) -> tuple[int, Any]:
            try:
                if self.headers.get("Authorization", "").removeprefix("Bearer ") not in cloud.tokens:
                    raise RefusedError(401, 1200, "You are not authorized to perform this action.")
                instance = self.headers.get("Service-CRN", "")
                if instance not in machines.INSTANCES:
                    raise RefusedError(403, 1200, "You are not authorized to use this instance.")
                if self.headers.get("IBM-API-Version") != VERSION:
                    raise RefusedError(400, 9999, "The version of the API is not live.")
                return api(cloud, instance, self.command, path, query, body)
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
            if fault in ("429", "429_bare"):
                later = {"Retry-After": str(cloud.faults.retry_after_s)} if fault == "429" else {}
                return self.reply(429, _too_many().body, later)
            return self.reply(int(fault or 500), _server_error())

        def hang_up(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def reply(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
            if status == 204:
                return self.send(204, b"", "application/json", headers)
            text = said.encode() if isinstance(said, str) else json.dumps(said).encode()
            return self.send(status, text, "application/json", headers)

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


# --- IBM Cloud around it ---


def around(cloud: Cloud, method: str, path: str, body: bytes) -> tuple[int, Any]:
    """Sign in, and say which instances there are."""
    match method, path.strip("/").split("/"):
        case "POST", ["identity", "token"]:
            if urllib.parse.parse_qs(body.decode()).get("apikey") != [cloud.key]:
                message = "Provided API key could not be found."
                return 400, {"errorCode": "BXNIM0415E", "errorMessage": message, "context": {}}
            now = int(time.time())
            token = jwt.encode({"iat": now, "exp": now + 3_600, "jti": uuid.uuid4().hex}, "s" * 32)
            cloud.tokens.add(token)
            return 200, {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": 3_600,
                "expiration": now + 3_600,
            }
        case "POST", ["v3", "resources", "search"]:
            items = [
                {
                    "crn": crn,
                    "name": each["name"],
                    "service_plan_unique_id": each["plan"],
                    "doc": {"extensions": [{"allocations": 1}]},
                    "tags": [],
                }
                for crn, each in machines.INSTANCES.items()
            ]
            return 200, {"items": items, "limit": 100}
        case "GET", ["catalog", plan]:
            pricing = next(each["pricing"] for each in machines.INSTANCES.values() if each["plan"] == plan)
            return 200, {
                "overview_ui": {"en": {"display_name": plan}},
                "metadata": {"pricing": {"type": pricing}},
            }
    return 404, {"errors": [{"message": "Not Found"}]}


# --- The REST API ---


def api(cloud: Cloud, instance: str, method: str, path: list[str], query: Query, body: bytes) -> tuple[int, Any]:
    """Answer a request; raises RefusedError."""
    match method, path:
        case "GET", ["backends"]:
            return 200, {"devices": [machines.listed(name) for name in machines.BACKENDS[instance]]}
        case "GET", ["backends", name, what]:
            return 200, _backend(instance, name, what)
        case "GET", ["instances", "usage"]:
            return 200, {"usage_consumed_seconds": 0, "usage_limit_reached": False}
        case "POST", ["sessions"]:
            return 200, _open_session(cloud, instance, json.loads(body))
        case "PATCH", ["sessions", session_id]:
            cloud.sessions[session_id].update(json.loads(body))
            return 204, ""
        case "POST", ["jobs"]:
            job = _create(cloud, instance, json.loads(body))
            return 200, {"id": job.id, "backend": job.posted["backend"]}
        case "GET", ["jobs"]:
            return 200, _listing(cloud.jobs, instance, query)
        case _, ["jobs", job_id, *rest]:
            return _about(cloud.jobs, method, _find(cloud.jobs, instance, job_id), rest, query)
    raise RefusedError(404, 1291, "Not found.")


def _backend(instance: str, name: str, what: str) -> Any:
    if name not in machines.BACKENDS[instance]:
        raise RefusedError(404, 1216, "device not found")
    if what == "status":
        return {"backend_version": "1", "state": True, "status": "active", "length_queue": 7}
    return {"configuration": machines.configuration, "properties": machines.properties}[what](name)


def _open_session(cloud: Cloud, instance: str, said: dict[str, Any]) -> dict[str, Any]:
    if said.get("mode") == "dedicated" and machines.INSTANCES[instance]["plan"] == "open":
        raise RefusedError(
            400,
            1352,
            "You are not authorized to run a session when using the open plan.",
            "Create an instance of a different plan type or use a different execution mode.",
        )
    session_id = uuid.uuid4().hex[:20]
    cloud.sessions[session_id] = said | {
        "id": session_id,
        "backend_name": said.get("backend"),
        "state": "open",
        "accepting_jobs": True,
    }
    return cloud.sessions[session_id]


def _create(cloud: Cloud, instance: str, said: dict[str, Any]) -> Job:
    tags = said.get("tags") or []
    if len(tags) > MOST_TAGS:
        raise RefusedError(
            400, 1204, f"Maximum number of tags a job can have exceeded ({len(tags)} > {MOST_TAGS})."
        )
    if any(len(tag) > LONGEST_TAG for tag in tags):
        raise RefusedError(400, 1205, "Maximum length of a job tag exceeded.")
    if said.get("backend") not in machines.BACKENDS[instance]:
        raise RefusedError(404, 1216, "Backend not found.", "Verify the backend name is correct.")
    if said.get("program_id") != "executor":
        raise RefusedError(400, 1206, f"There is no program {said.get('program_id')} here.")
    session = cloud.sessions.get(said.get("session_id", ""))
    if "session_id" in said and (session is None or not session["accepting_jobs"]):
        raise RefusedError(400, 1217, "Session has been closed.", "Ensure the session is open.")
    course = cloud.jobs.course
    since = max(course.since, datetime.now(UTC) - timedelta(minutes=1))
    limit = course.a_minute
    if limit and sum(job.created > since for job in cloud.jobs.of(instance)) >= limit:
        raise _too_many()
    return cloud.jobs.accept(instance, said)


def _listing(jobs: Jobs, instance: str, query: Query) -> dict[str, Any]:
    one = {name: values[0] for name, values in query.items()}
    found = [
        job
        for job in jobs.of(instance)
        if set(query.get("tags", ())) <= set(job.tags)
        and ("pending" not in one or (job.status in FINAL) == (one["pending"] == "false"))
    ]
    if one.get("sort") != "ASC":
        found.reverse()
    limit, offset = int(one.get("limit", DEFAULT_LIMIT)), int(one.get("offset", 0))
    if limit > PAGE_LIMIT:
        limit = DEFAULT_LIMIT
    page = found[offset : offset + limit]
    return {
        "jobs": [_described(jobs.course, job) for job in page],
        "count": len(found),
        "limit": limit,
        "offset": offset,
    }


def _about(jobs: Jobs, method: str, job: Job, rest: list[str], query: Query) -> tuple[int, Any]:
    match method, rest:
        case "GET", []:
            whole = query.get("exclude_params") != ["true"]
            return 200, _described(jobs.course, job) | ({"params": job.posted["params"]} if whole else {})
        case "GET", ["results"]:
            shown = job.status == "Completed" and jobs.course.results
            return (200, job.result) if shown else (204, "")
        case "GET", ["metrics"]:
            return 200, _metrics(jobs.course, job)
        case "POST", ["cancel"]:
            if not jobs.cancel(job):
                raise RefusedError(409, 1292, f"Job cannot be cancelled because it is {job.status}.")
            return 204, ""
    raise RefusedError(404, 1291, "Not found.")


def _described(course: Course, job: Job) -> dict[str, Any]:
    state: dict[str, Any] = {"status": course.word or job.status}
    if job.reason is not None and job.status == "Failed":
        state |= {"reason": job.reason[0], "reason_code": job.reason[1], "reason_solution": "Look at your circuit."}
    if job.reason is not None and job.reason[1] == 1305 and job.status == "Failed":
        state["status"] = "Cancelled"
    return {
        "id": job.id,
        "backend": job.posted["backend"],
        "state": state,
        "status": state["status"],
        "program": {"id": job.posted["program_id"]},
        "created": job.created.isoformat().replace("+00:00", "Z"),
        "cost": job.posted.get("cost", 10_800),
        "tags": job.tags,
        **({"session_id": job.posted["session_id"]} if "session_id" in job.posted else {}),
    }


def _metrics(course: Course, job: Job) -> dict[str, Any]:
    moments = {"created": job.created, "running": job.running, "finished": job.finished}
    status = "pending" if course.counting else "complete"
    seconds = 0 if course.counting or job.running is None else course.seconds
    return {
        "timestamps": {name: None if at is None else at.isoformat() for name, at in moments.items()},
        "usage": {"quantum_seconds": seconds, "qpu_charge_time_seconds": seconds, "status": status},
        "qiskit_version": "stand-in",
    }


def _find(jobs: Jobs, instance: str, job_id: str) -> Job:
    job = jobs.get(instance, job_id)
    if job is None:
        raise RefusedError(404, 1291, f"Job not found. Job ID: {job_id}", "Verify the job ID is correct.")
    return job


def _too_many() -> RefusedError:
    return RefusedError(
        429, 1202, "Too many requests received: limit is 5 per minute.", "Reduce your request rate."
    )


def _server_error() -> dict[str, Any]:
    return RefusedError(500, 9000, "Internal error.", "Contact support.").body


def _route(path: list[str]) -> str:
    """The path with ids left out, for counting."""
    return "/".join([path[0], *("{id}" for _ in path[1:2]), *path[2:]])


# --- What tests steer and ask ---


def steer(cloud: Cloud, method: str, what: str, body: bytes) -> Any:
    """Do what a test wants, or tell it what it asks."""
    said = json.loads(body) if body else {}
    steered: dict[tuple[str, str], Callable[[], Any]] = {
        ("GET", "ready"): lambda: {"ready": True},
        ("GET", "accepted"): cloud.jobs.accepted,
        ("GET", "requests"): lambda: dict(cloud.requests),
        ("GET", "sessions"): lambda: list(cloud.sessions.values()),
        ("GET", "posted"): lambda: [
            {name: value for name, value in job.posted.items() if name != "params"} | {"id": job.id}
            for instance in machines.INSTANCES
            for job in cloud.jobs.of(instance)
        ],
        ("PUT", "fill"): lambda: cloud.jobs.fill(**said),
        ("PUT", "faults"): lambda: setattr(cloud, "faults", Faults(**said)),
        ("PUT", "course"): lambda: setattr(
            cloud.jobs, "course", replace(cloud.jobs.course, since=datetime.now(UTC), **said)
        ),
        ("PUT", "reset"): cloud.reset,
    }
    return steered[method, what]()
