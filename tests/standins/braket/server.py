"""The HTTP side of the stand-in: devices, tasks and their life, and what goes wrong on request."""

import json
import random
import re
import socket
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from tests.standins.braket import devices
from tests.standins.braket.openqasm import Program, RefusedError, read
from tests.standins.braket.statevector import probabilities, sample

ACCOUNT = "123456789012"
OPERATIONS = {
    "SearchDevices": ("POST", r"/devices"),
    "GetDevice": ("GET", r"/device/(?P<arn>.+)"),
    "CreateQuantumTask": ("POST", r"/quantum-task"),
    "GetQuantumTask": ("GET", r"/quantum-task/(?P<arn>.+)"),
    "SearchQuantumTasks": ("POST", r"/quantum-tasks"),
    "CancelQuantumTask": ("PUT", r"/quantum-task/(?P<arn>.+)/cancel"),
}
_STATUS = {
    "ValidationException": 400,
    "ServiceQuotaExceededException": 402,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ConflictException": 409,
    "DeviceRetiredException": 410,
    "DeviceOfflineException": 424,
    "ThrottlingException": 429,
    "InternalServiceException": 500,
}
_FINAL = ("COMPLETED", "FAILED", "CANCELLED")


class RefusalError(Exception):
    """What the service answers instead of doing it."""

    def __init__(self, code: str, message: str, **more: Any):
        super().__init__(message)
        self.code = code
        self.body = {"message": message, **more}


@dataclass
class Task:
    arn: str
    region: str
    asked: dict[str, Any]
    programs: list[Program]
    created: datetime
    began: float
    forced: str | None = None
    reason: str | None = None
    ended: datetime | None = None
    written: bool = False


@dataclass
class Control:
    """What tests may set, and what they may read.

    Attributes:
        pace_s: how long a task stays created, queued and running, each; at 0 it is completed at once.
        faults: what happens to coming requests, each one time: `{"operation", "kind"}`. Kinds: `throttle`, `error`
            (500), `unavailable` (503), `denied`, `drop` (the connection, before anything is done), `lose` (the same
            after it was done), `garbled` (an answer that is no JSON), `late` (by `late_s` seconds).
        rates: how likely each kind is for any request, drawn by `seed`.
        statuses: a task's ARN, and the word for its status from now on.
        remember_s: how long a token is known.
        search_lag_s: how long a new task is not found by a search.
        columns: `bits` where results have a column for each classical bit, `qubits` where they are sorted by qubits.
        files: whether a program set's result refers to files, or holds everything.
    """

    pace_s: float = 0.0
    faults: list[dict[str, Any]] = field(default_factory=list)
    rates: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    late_s: float = 1.0
    statuses: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    remember_s: float = 1e9
    search_lag_s: float = 0.0
    columns: str = "bits"
    files: bool = False
    page: int = 100


class Braket:
    """The service, whatever the transport."""

    def __init__(self, s3: Any):
        self._s3 = s3
        self.lock = threading.RLock()
        self.clear()

    def clear(self) -> None:
        with self.lock:
            self.control = Control()
            self.dice = random.Random(0)
            self.tasks: dict[str, Task] = {}
            self.tokens: dict[str, tuple[str, float]] = {}
            self.requests: Counter[str] = Counter()
            self.agents: set[str] = set()

    def set(self, given: dict[str, Any]) -> None:
        with self.lock:
            if given.pop("clear", False):
                self.clear()
            for name, value in given.items():
                setattr(self.control, name, value)
            if "seed" in given:
                self.dice = random.Random(given["seed"])

    def seen(self) -> dict[str, Any]:
        with self.lock:
            tags: dict[str, list[str]] = {}
            for task in self.tasks.values():
                tags.setdefault(task.asked.get("tags", {}).get("ketbase-job", ""), []).append(task.arn)
            programs = {task.arn: task.asked["action"] for task in self.tasks.values()}
            parameters = {task.arn: task.asked.get("deviceParameters") for task in self.tasks.values()}
            return {
                "accepted": tags,
                "requests": dict(self.requests),
                "actions": programs,
                "parameters": parameters,
            }

    def fault(self, operation: str) -> str | None:
        """What goes wrong with a request."""
        with self.lock:
            for position, fault in enumerate(self.control.faults):
                if fault.get("operation") in (None, operation):
                    return str(self.control.faults.pop(position)["kind"])
            draw = self.dice.random()
            for kind, rate in self.control.rates.items():
                if draw < rate:
                    return kind
                draw -= rate
            return None

    # --- Operations ---

    def search_devices(self, region: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        del body
        found = [devices.describe(arn) for arn in devices.in_region(region)]
        for each in found:
            del each["capabilities"]
        return {"devices": found}

    def get_device(self, region: str, arn: str, agent: str, **_: Any) -> dict[str, Any]:
        if arn not in devices.in_region(region):
            raise RefusalError("ResourceNotFoundException", f"Device {arn} not found")
        found = devices.describe(arn)
        capabilities = json.loads(json.dumps(found.pop("capabilities")))
        if not re.search(r"BraketSchemas/1\.(8|9|[1-9]\d)\.", agent):
            # As the service does: who does not know the schemas does not see what they describe.
            for action in list(capabilities["action"]):
                if action.startswith("braket.ir.openqasm"):
                    del capabilities["action"][action]
        waiting = sum(
            task.asked["deviceArn"] == arn and self.status(task) == "QUEUED" for task in self.tasks.values()
        )
        queues = [
            {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": str(waiting + 7), "queuePriority": "Normal"},
            {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": "2", "queuePriority": "Priority"},
            {"queue": "JOBS_QUEUE", "queueSize": "3"},
        ]
        return {**found, "deviceCapabilities": json.dumps(capabilities), "deviceQueueInfo": queues}

    def create_quantum_task(self, region: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        token = body["clientToken"]
        if not 1 <= len(token) <= 64:
            raise RefusalError("ValidationException", "clientToken has a length between 1 and 64")
        if token in self.tokens:
            arn, at = self.tokens[token]
            if time.monotonic() - at < self.control.remember_s:
                return {"quantumTaskArn": arn}
        arn = body["deviceArn"]
        if arn not in devices.in_region(region):
            raise RefusalError("ValidationException", f"Device {arn} does not exist in {region}")
        device = devices.describe(arn)
        if device["deviceStatus"] == "OFFLINE":
            raise RefusalError("DeviceOfflineException", "The device is offline")
        if device["deviceStatus"] == "RETIRED":
            raise RefusalError("DeviceRetiredException", "The device is retired")
        programs = _programs(json.loads(body["action"]), body["shots"], device["capabilities"])
        for tag, value in body.get("tags", {}).items():
            if not re.fullmatch(r"[\w .:/=+\-@]{1,256}", f"{tag}{value}"):
                raise RefusalError("ValidationException", f"the tag {tag} has characters that tags cannot have")
        task = Task(
            arn=f"arn:aws:braket:{region}:{ACCOUNT}:quantum-task/{uuid.uuid4()}",
            region=region,
            asked=body,
            programs=programs,
            created=datetime.now(UTC),
            began=time.monotonic(),
        )
        self.tasks[task.arn] = task
        self.tokens[token] = task.arn, time.monotonic()
        return {"quantumTaskArn": task.arn}

    def get_quantum_task(self, region: str, arn: str, query: dict[str, list[str]], **_: Any) -> dict[str, Any]:
        task = self._task(region, arn)
        answer = {**self._summary(task), "deviceParameters": task.asked.get("deviceParameters", "{}")}
        if task.reason:
            answer["failureReason"] = task.reason
        if answer["status"] == "COMPLETED":
            answer["numSuccessfulShots"] = task.asked["shots"]
        if "QueueInfo" in query.get("additionalAttributeNames", ()):
            ahead = [
                each.arn
                for each in self.tasks.values()
                if each.asked["deviceArn"] == task.asked["deviceArn"] and self.status(each) == "QUEUED"
            ]
            position = str(ahead.index(arn) + 1) if arn in ahead else "None"
            answer["queueInfo"] = {"queue": "QUANTUM_TASKS_QUEUE", "position": position, "queuePriority": "Normal"}
        return answer

    def search_quantum_tasks(self, region: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        found = [task for task in self.tasks.values() if task.region == region]
        for each in body["filters"]:
            (value,) = each["values"]  # that several are alternatives is not documented
            match each["name"], each["operator"]:
                case "createdAt", "GTE":
                    found = [task for task in found if task.created >= datetime.fromisoformat(value)]
                case "deviceArn", "EQUAL":
                    found = [task for task in found if task.asked["deviceArn"] == value]
                case "status", "EQUAL":
                    found = [task for task in found if self.status(task) == value]
                case name, how:
                    raise RefusalError("ValidationException", f"no filter {name} {how}")
        visible = datetime.now(UTC) - timedelta(seconds=self.control.search_lag_s)
        found = [task for task in found if task.created <= visible]
        start, size = int(body.get("nextToken") or 0), min(body.get("maxResults", 100), self.control.page)
        page: dict[str, Any] = {"quantumTasks": [self._summary(task) for task in found[start : start + size]]}
        if start + size < len(found):
            page["nextToken"] = str(start + size)
        return page

    def cancel_quantum_task(self, region: str, arn: str, **_: Any) -> dict[str, Any]:
        task = self._task(region, arn)
        status = self.status(task)
        if status in _FINAL:
            raise RefusalError("ConflictException", f"Quantum task is already {status}")
        task.forced = "CANCELLED"
        return {"quantumTaskArn": arn, "cancellationStatus": "CANCELLING"}

    # --- Tasks ---

    def status(self, task: Task) -> str:
        """Where a task stands now; one that is completed has written its result."""
        forced = self.control.statuses.get(task.arn, task.forced)
        task.reason = self.control.reasons.get(task.arn, task.reason)
        if forced is not None:
            return forced
        pace = self.control.pace_s
        stage = 3 if pace <= 0 else int((time.monotonic() - task.began) / pace)
        status = ("CREATED", "QUEUED", "RUNNING", "COMPLETED")[min(stage, 3)]
        if status == "COMPLETED" and not task.written:
            self._write(task)
            task.ended, task.written = datetime.now(UTC), True
        return status

    def _task(self, region: str, arn: str) -> Task:
        task = self.tasks.get(arn)
        if task is None or task.region != region:
            raise RefusalError("ResourceNotFoundException", f"Quantum task {arn} not found")
        return task

    def _summary(self, task: Task) -> dict[str, Any]:
        summary = {
            "quantumTaskArn": task.arn,
            "status": self.status(task),
            "deviceArn": task.asked["deviceArn"],
            "shots": task.asked["shots"],
            "outputS3Bucket": task.asked["outputS3Bucket"],
            "outputS3Directory": _directory(task),
            "createdAt": _text(task.created),
            "tags": task.asked.get("tags", {}),
        }
        return summary if task.ended is None else {**summary, "endedAt": _text(task.ended)}

    def _write(self, task: Task) -> None:
        action, shots = json.loads(task.asked["action"]), task.asked["shots"]
        sources = action.get("programs", [action])
        each = shots // len(sources)
        dice = np.random.default_rng(list(uuid.UUID(task.arn.rsplit("/", 1)[1]).bytes))
        executions = [self._execute(task, program, each, dice) for program in task.programs]
        if "programs" not in action:
            result = {
                "braketSchemaHeader": {"name": "braket.task_result.gate_model_task_result", "version": "1"},
                **executions[0],
                "taskMetadata": {"id": task.arn, "shots": shots, "deviceId": task.asked["deviceArn"]},
                "additionalMetadata": {"action": action, **self._metadata(task)},
            }
        else:
            result = self._set_result(task, sources, executions)
        self._put(task, "results.json", result)

    def _set_result(
        self, task: Task, sources: list[dict[str, Any]], executions: list[dict[str, Any]]
    ) -> dict[str, Any]:
        programs: list[Any] = []
        for number, (source, execution) in enumerate(zip(sources, executions, strict=True)):
            execution = {
                "braketSchemaHeader": {"name": "braket.task_result.program_set_executable_result", "version": "1"},
                "inputsIndex": 0,
                **execution,
            }
            program: dict[str, Any] = {
                "braketSchemaHeader": {"name": "braket.task_result.program_result", "version": "1"},
                "executableResults": [execution],
                "source": source,
                "additionalMetadata": {"action": source},
            }
            if self.control.files:
                path = f"programs/{number}"
                program |= {"executableResults": [f"{path}/executables/0.json"], "source": f"{path}/program.json"}
                self._put(task, f"{path}/executables/0.json", execution)
                self._put(task, f"{path}/program.json", source)
                self._put(task, f"{path}/results.json", program)
                programs.append(f"{path}/results.json")
            else:
                programs.append(program)
        return {
            "braketSchemaHeader": {"name": "braket.task_result.program_set_task_result", "version": "1"},
            "programResults": programs,
            "taskMetadata": {"id": task.arn, "requestedShots": task.asked["shots"], "totalFailedExecutables": 0},
            "s3Location": [task.asked["outputS3Bucket"], _directory(task)] if self.control.files else None,
        }

    def _execute(self, task: Task, program: Program, shots: int, dice: Any) -> dict[str, Any]:
        measured = [program.measured[bit] for bit in sorted(program.measured)]
        if self.control.columns == "qubits":
            measured.sort()
        used = sorted({*measured, *(qubit for _, _, qubits in program.gates for qubit in qubits)})
        rows = sample(probabilities(program.gates, used), [used.index(qubit) for qubit in measured], shots, dice)
        if "/ionq/" not in task.asked["deviceArn"]:
            return {"measurements": rows.tolist(), "measuredQubits": measured}
        counts = Counter("".join(map(str, row)) for row in rows)
        return {
            "measurements": None,
            "measurementProbabilities": {bits: times / shots for bits, times in counts.items()},
            "measuredQubits": measured,
        }

    def _metadata(self, task: Task) -> dict[str, Any]:
        if "quantum-simulator" in task.asked["deviceArn"]:
            return {"simulatorMetadata": {"executionDuration": 16}}
        if "/rigetti/" in task.asked["deviceArn"]:
            return {
                "rigettiMetadata": {
                    "compiledProgram": "PRAGMA PRESERVE_BLOCK",
                    "nativeQuilMetadata": {"qpuRuntimeEstimation": 191.21},
                }
            }
        return {"iqmMetadata": {"compiledProgram": "…"}} if "/iqm/" in task.asked["deviceArn"] else {}

    def _put(self, task: Task, path: str, document: dict[str, Any]) -> None:
        self._s3.put_object(
            Bucket=task.asked["outputS3Bucket"],
            Key=f"{_directory(task)}/{path}",
            Body=json.dumps(document).encode(),
        )


def _directory(task: Task) -> str:
    return f"{task.asked['outputS3KeyPrefix']}/{task.arn.rsplit('/', 1)[1]}"


def _programs(action: dict[str, Any], shots: int, capabilities: dict[str, Any]) -> list[Program]:
    kind = action["braketSchemaHeader"]["name"]
    allowed = capabilities["action"].get(kind)
    if allowed is None:
        raise RefusalError("ValidationException", f"Device does not support the action {kind}")
    low, high = capabilities["service"]["shotsRange"]
    programs = action.get("programs", [action])
    each, rest = divmod(shots, len(programs))
    if kind.endswith("program_set"):
        if rest:
            raise RefusalError("ValidationException", "shots must be divisible by the number of executables")
        if len(programs) > allowed["maximumExecutables"] or shots > allowed["maximumTotalShots"]:
            raise RefusalError("ValidationException", "the program set is too large")
    if not max(1, low) <= each <= high:
        raise RefusalError("ValidationException", f"shots must be between {low} and {high}")
    found, failures = [], []
    for number, program in enumerate(programs):
        try:
            found.append(read(program["source"], capabilities))
        except RefusedError as problem:
            failures.append({"programIndex": number, "errors": [str(problem)]})
    if failures:
        if kind.endswith("program_set"):
            raise RefusalError(
                "ValidationException", "Program set validation failed", programSetValidationFailures=failures
            )
        raise RefusalError("ValidationException", failures[0]["errors"][0])
    return found


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def serve(port: int, s3: Any) -> ThreadingHTTPServer:
    """Make the server; port 0 takes a free one."""
    braket = Braket(s3)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            address = urlsplit(self.path)
            if address.path == "/control":
                if self.command == "POST":
                    braket.set(json.loads(body))
                return self.reply(200, braket.seen())
            for operation, (method, pattern) in OPERATIONS.items():
                found = re.fullmatch(pattern, address.path)
                if found and method == self.command:
                    arn = unquote(found.groupdict().get("arn") or "")
                    return self.answer(operation, arn, body, parse_qs(address.query))
            return self.reply(404, {"message": f"no operation {self.command} {self.path}"})

        do_GET = do_POST = do_PUT = do_any

        def answer(self, operation: str, arn: str, body: bytes, query: dict[str, list[str]]) -> None:
            scope = re.search(r"Credential=[^/]+/\d+/([\w-]+)/braket/", self.headers.get("Authorization", ""))
            if scope is None:
                return self.refuse(RefusalError("AccessDeniedException", "the request is not signed"))
            braket.requests[operation] += 1
            fault = braket.fault(operation)
            if fault == "drop":
                return self.drop()
            if fault in _FAULTS:
                return self.refuse(_FAULTS[fault])
            if fault == "late":
                time.sleep(braket.control.late_s)
            name = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
            try:
                with braket.lock:
                    answer = getattr(braket, name)(
                        region=scope[1],
                        arn=arn,
                        body=json.loads(body) if body else {},
                        query=query,
                        agent=self.headers.get("User-Agent", ""),
                    )
            except RefusalError as refusal:
                return self.refuse(refusal)
            if fault == "lose":
                return self.drop()
            if fault == "garbled":
                return self.write(200, {}, b'{"quantumTaskArn": ')
            return self.reply(201 if operation == "CreateQuantumTask" else 200, answer)

        def refuse(self, refusal: RefusalError) -> None:
            headers = {"x-amzn-ErrorType": refusal.code}
            if refusal.code == "ThrottlingException":
                headers["Retry-After"] = "2"
            body = json.dumps(refusal.body).encode()
            self.write(_STATUS.get(refusal.code, 503), headers, body)

        def reply(self, status: int, answer: dict[str, Any]) -> None:
            self.write(status, {}, json.dumps(answer).encode())

        def write(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def drop(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server


_FAULTS = {
    "throttle": RefusalError("ThrottlingException", "Rate exceeded"),
    "error": RefusalError("InternalServiceException", "Something failed inside"),
    "unavailable": RefusalError("ServiceUnavailable", "Come back later"),
    "denied": RefusalError("AccessDeniedException", "not authorized to perform: braket"),
    "invalid": RefusalError("ValidationException", "Something is wrong with this"),
    "quota": RefusalError("ServiceQuotaExceededException", "Too many concurrent tasks"),
}
