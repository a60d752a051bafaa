"""A server that speaks Pinecone's protocol (2026-07) over plain HTTP: `python -m tests.peers.pinecone_server PORT`.

It keeps, compares and filters as Pinecone's documentation says, with the documented limits: the control plane on the
port that is given, and each index, as at Pinecone, at a host of its own, which here is a port. What Pinecone does now
and then it does when told, by a POST of JSON to `/_peer`:

- `fresh_after_s`: writes are seen so much later (eventual consistency);
- `ready_after_s`: a new index answers so much later;
- `faults`: a list of `{"path", "times", "fault"}` for the requests to come whose path begins so. A fault is a status
  such as `503`, one with a Retry-After such as `429 60`, `drop before` (no answer) or `drop after` (the work is done).
"""

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

API_KEY = "pcsk_test_key"
MAX_UPSERT, MAX_UPSERT_BYTES = 1_000, 2_000_000
MAX_IDS = 1_000
MAX_TOP_K = 10_000
MAX_RESULT_BYTES = 4_000_000
MAX_METADATA_BYTES = 40_960
MAX_LIST = 100

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,43}[a-z0-9])?")


class Refused(Exception):
    """What the server answers instead."""

    def __init__(self, status: int, code: str, message: str):
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message}, "status": status}


class Dropped(Exception):
    """The connection ends without an answer."""


@dataclass
class Settings:
    fresh_after_s: float = 0.0
    ready_after_s: float = 0.0
    faults: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Stored:
    values: np.ndarray
    metadata: dict[str, Any]


class Namespace:
    """Vectors, as they will be and as they are seen by now."""

    def __init__(self) -> None:
        self.seen: dict[str, Stored] = {}
        self.log: list[tuple[float, Callable[[dict[str, Stored]], None]]] = []
        self.written = self.indexed = 0

    def write(self, change: Callable[[dict[str, Stored]], None], fresh_after_s: float) -> None:
        self.written += 1
        self.log.append((time.monotonic() + fresh_after_s, change))
        self.settle()

    def settle(self) -> None:
        while self.log and self.log[0][0] <= time.monotonic():
            self.log.pop(0)[1](self.seen)
            self.indexed += 1


class Index:
    """One index: its description, and its namespaces."""

    def __init__(self, asked: Mapping[str, Any], port: int, ready_after_s: float):
        ((self.field, self.shape),) = asked["schema"]["fields"].items()
        self.asked = asked
        self.port = port
        self.ready_at = time.monotonic() + ready_after_s
        self.namespaces: dict[str, Namespace] = {}

    @property
    def described(self) -> dict[str, Any]:
        ready = time.monotonic() >= self.ready_at
        return {
            "name": self.asked["name"],
            "host": f"http://127.0.0.1:{self.port}",
            "status": {"ready": ready, "state": "Ready" if ready else "Initializing"},
            "schema": self.asked["schema"],
            "deployment": self.asked["deployment"],
            "deletion_protection": "disabled",
        }


class Pinecone:
    """All indexes of one project."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.settings = Settings()
        self.indexes: dict[str, Index] = {}

    # --- Control plane ---

    def control(self, method: str, path: str, _query: Mapping[str, list[str]], body: Any) -> Any:
        if path == "/_peer":
            self.settings = Settings(**body)
            return {}
        match method, path.split("/")[1:]:
            case "GET", ["indexes"]:
                return {"indexes": [index.described for index in self.indexes.values()]}
            case "POST", ["indexes"]:
                return self.create(body)
            case "GET", ["indexes", name]:
                return self.index(name).described
            case "DELETE", ["indexes", name]:
                self.index(name)
                del self.indexes[name]
                return {}
        raise Refused(404, "NOT_FOUND", f"no resource {path}")

    def index(self, name: str) -> Index:
        if name not in self.indexes:
            raise Refused(404, "NOT_FOUND", f"Resource {name} not found")
        return self.indexes[name]

    def create(self, body: Any) -> Any:
        name, fields = body["name"], body["schema"]["fields"]
        if not _NAME.fullmatch(name):
            raise Refused(
                400, "INVALID_ARGUMENT", "Name must consist of lower case alphanumerics or '-', 45 at most"
            )
        if name in self.indexes:
            raise Refused(409, "ALREADY_EXISTS", "Resource already exists")
        if list(fields) != ["_values"] or fields["_values"]["type"] != "dense_vector":
            raise Refused(400, "INVALID_ARGUMENT", "this peer serves vector indexes only")
        if not 1 <= fields["_values"]["dimension"] <= 20_000:
            raise Refused(400, "INVALID_ARGUMENT", "Dimension must be between 1 and 20000")
        if body["deployment"]["deployment_type"] != "managed":
            raise Refused(400, "INVALID_ARGUMENT", "this peer serves managed indexes only")
        server = serve(self, 0, lambda *request: self.data(name, *request))
        self.indexes[name] = Index(body, server.server_address[1], self.settings.ready_after_s)
        return self.indexes[name].described

    # --- Data plane ---

    def data(self, name: str, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> Any:
        index = self.index(name)
        if time.monotonic() < index.ready_at:
            raise Refused(503, "UNAVAILABLE", "the index is not ready")
        for namespace in index.namespaces.values():
            namespace.settle()
        match method, path.split("/")[1:]:
            case "POST", ["vectors", "upsert"]:
                return self.upsert(index, body)
            case "POST", ["vectors", "delete"]:
                return self.delete(index, body)
            case "GET", ["vectors", "fetch"]:
                return fetch(index, query)
            case "GET", ["vectors", "list"]:
                return listed(index, query)
            case "POST", ["query"]:
                return nearest(index, body)
            case "GET", ["namespaces", there]:
                return {"name": there, "record_count": str(len(known(index, there).seen))}
            case "DELETE", ["namespaces", there]:
                known(index, there)
                del index.namespaces[there]
                return {}
        raise Refused(404, "NOT_FOUND", f"no resource {path}")

    def upsert(self, index: Index, body: Any) -> Any:
        vectors = body["vectors"]
        if not 1 <= len(vectors) <= MAX_UPSERT:
            raise Refused(400, "INVALID_ARGUMENT", f"1 to {MAX_UPSERT} vectors, not {len(vectors)}")
        if len(json.dumps(body)) > MAX_UPSERT_BYTES:
            raise Refused(413, "RESOURCE_EXHAUSTED", "the request is larger than 2 MB")
        made = {vector["id"]: stored(index, vector) for vector in vectors}
        namespace = index.namespaces.setdefault(body.get("namespace") or "__default__", Namespace())
        namespace.write(lambda seen: seen.update(made), self.settings.fresh_after_s)
        return {"upsertedCount": len(made)}

    def delete(self, index: Index, body: Any) -> Any:
        ids = body.get("ids", [])
        if not 1 <= len(ids) <= MAX_IDS:
            raise Refused(400, "INVALID_ARGUMENT", f"1 to {MAX_IDS} ids, not {len(ids)}")
        namespace = known(index, body.get("namespace") or "__default__")

        def forget(seen: dict[str, Stored]) -> None:
            for each in ids:
                seen.pop(each, None)

        namespace.write(forget, self.settings.fresh_after_s)
        return {}


def known(index: Index, name: str) -> Namespace:
    if name not in index.namespaces:
        raise Refused(404, "NOT_FOUND", f"Namespace {name} not found")
    return index.namespaces[name]


def seen(index: Index, name: str) -> dict[str, Stored]:
    return index.namespaces[name].seen if name in index.namespaces else {}


def checked(index: Index, values: Any) -> np.ndarray:
    if len(values) != index.shape["dimension"]:
        wanted = index.shape["dimension"]
        message = f"Vector dimension {len(values)} does not match the dimension of the index {wanted}"
        raise Refused(400, "INVALID_ARGUMENT", message)
    kept = np.asarray(values, dtype=np.float32)
    if not np.isfinite(kept).all():
        raise Refused(400, "INVALID_ARGUMENT", "Vector values must be finite")
    if not kept.any():
        raise Refused(400, "INVALID_ARGUMENT", "Dense vectors must contain at least one non-zero value")
    return kept


def stored(index: Index, vector: Any) -> Stored:
    if not vector["id"].isascii() or not 1 <= len(vector["id"]) <= 512:
        raise Refused(400, "INVALID_ARGUMENT", "no id")
    metadata = vector.get("metadata") or {}
    for name, value in metadata.items():
        listed_texts = isinstance(value, list) and all(isinstance(each, str) for each in value)
        if name.startswith("$") or not (listed_texts or isinstance(value, str | int | float)):
            message = "Metadata value must be a string, number, boolean or list of strings"
            raise Refused(400, "INVALID_ARGUMENT", f"{message}, got {value!r} for field {name!r}")
    if len(json.dumps(metadata, ensure_ascii=False).encode()) > MAX_METADATA_BYTES:
        raise Refused(400, "INVALID_ARGUMENT", "Metadata size exceeds the limit of 40960 bytes per vector")
    return Stored(checked(index, vector["values"]), metadata)


def fetch(index: Index, query: Mapping[str, list[str]]) -> Any:
    ids = query.get("ids", [])
    if not 1 <= len(ids) <= MAX_IDS:
        raise Refused(400, "INVALID_ARGUMENT", f"1 to {MAX_IDS} ids, not {len(ids)}")
    there = query.get("namespace", ["__default__"])[0]
    kept = seen(index, there)
    found = {each: shown(each, kept[each]) for each in ids if each in kept}
    return {"vectors": found, "namespace": there, "usage": {"readUnits": 1}}


def shown(name: str, kept: Stored) -> dict[str, Any]:
    metadata = {k: float(v) if type(v) is int else v for k, v in kept.metadata.items()}
    return {"id": name, "values": kept.values.tolist(), "metadata": metadata}


def listed(index: Index, query: Mapping[str, list[str]]) -> Any:
    there = query.get("namespace", ["__default__"])[0]
    prefix, after = query.get("prefix", [""])[0], query.get("paginationToken", [""])[0]
    limit = int(query.get("limit", [MAX_LIST])[0])
    if not 1 <= limit <= MAX_LIST:
        raise Refused(400, "INVALID_ARGUMENT", f"limit is 1 to {MAX_LIST}")
    ids = sorted(each for each in seen(index, there) if each.startswith(prefix) and each > after)
    answer = {"vectors": [{"id": each} for each in ids[:limit]], "namespace": there, "usage": {"readUnits": 1}}
    return answer | ({"pagination": {"next": ids[limit - 1]}} if len(ids) > limit else {})


def nearest(index: Index, body: Any) -> Any:
    if not 1 <= body["topK"] <= MAX_TOP_K:
        raise Refused(400, "INVALID_ARGUMENT", f"top_k must be between 1 and {MAX_TOP_K}")
    asked = checked(index, body["vector"])
    there = body.get("namespace") or "__default__"
    kept = {k: v for k, v in seen(index, there).items() if passes(v.metadata, body.get("filter") or {})}
    found = []
    if kept:
        names = list(kept)
        scores = compared(np.stack([each.values for each in kept.values()]), asked, index.shape["metric"])
        order = np.argsort(scores if index.shape["metric"] == "euclidean" else -scores, kind="stable")
        for place in order[: body["topK"]]:
            match = {"id": names[place], "score": float(scores[place]), "values": []}
            if body.get("includeValues"):
                match["values"] = kept[names[place]].values.tolist()
            if body.get("includeMetadata"):
                match["metadata"] = kept[names[place]].metadata
            found.append(match)
    answer = {"matches": found, "namespace": there, "usage": {"readUnits": 1}}
    if len(json.dumps(answer)) > MAX_RESULT_BYTES:
        raise Refused(400, "INVALID_ARGUMENT", "the result is larger than 4 MB")
    return answer


def compared(vectors: np.ndarray, asked: np.ndarray, metric: str) -> np.ndarray:
    match metric:
        case "cosine":
            return vectors @ asked / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(asked))
        case "dotproduct":
            return vectors @ asked
        case _:
            return np.square(vectors - asked).sum(axis=1)


def passes(metadata: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
    """Pinecone's filters: https://docs.pinecone.io/guides/index-data/indexing-overview#metadata."""
    return all(
        any(passes(metadata, each) for each in wanted)
        if name == "$or"
        else all(passes(metadata, each) for each in wanted)
        if name == "$and"
        else field_passes(metadata.get(name), wanted if isinstance(wanted, dict) else {"$eq": wanted})
        for name, wanted in condition.items()
    )


def field_passes(value: Any, wanted: Mapping[str, Any]) -> bool:
    held = value if isinstance(value, list) else [] if value is None else [value]
    numbers = [each for each in held if type(each) in (int, float)]
    for operator, bound in wanted.items():
        match operator:
            case "$eq":
                passed = any(same(each, bound) for each in held)
            case "$in":
                passed = any(same(each, one) for each in held for one in bound)
            case "$gte":
                passed = any(each >= bound for each in numbers)
            case "$lte":
                passed = any(each <= bound for each in numbers)
            case "$exists":
                passed = (value is not None) == bound
            case _:
                raise Refused(400, "INVALID_ARGUMENT", f"{operator} is not a valid operator")
        if not passed:
            return False
    return True


def same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and one == other


# --- HTTP ---


def serve(pinecone: Pinecone, port: int, answer: Callable[[str, str, Mapping[str, list[str]], Any], Any]) -> Any:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            return None

        def do(self) -> None:
            address = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers: dict[str, str] = {}
            try:
                fault = None if address.path == "/_peer" else self.fault(address.path)
                if fault == "drop before":
                    raise Dropped
                if fault is not None and fault != "drop after":
                    code, _, retry_after = str(fault).partition(" ")
                    headers = {"Retry-After": retry_after} if retry_after else {}
                    raise Refused(int(code), "FAULT", "as told")
                if self.headers.get("Api-Key") != API_KEY and address.path != "/_peer":
                    raise Refused(401, "UNAUTHENTICATED", "Invalid API Key")
                with pinecone.lock:
                    path = "/".join(unquote(part) for part in address.path.split("/"))
                    body = answer(self.command, path, parse_qs(address.query), json.loads(raw or b"{}"))
                if fault == "drop after":
                    raise Dropped
                status = {"POST": 201, "DELETE": 202}.get(self.command, 200) if path.startswith("/indexes") else 200
            except Refused as refusal:
                status, body = refusal.status, refusal.body
            except Dropped:
                self.close_connection = True
                return
            text = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "Content-Length": len(text)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(text)

        def fault(self, path: str) -> str | None:
            with pinecone.lock:
                for each in pinecone.settings.faults:
                    if path.startswith(each["path"]) and each["times"] > 0:
                        each["times"] -= 1
                        return each["fault"]
            return None

        do_GET = do_POST = do_DELETE = do_PATCH = do

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    pinecone = Pinecone()
    serve(pinecone, int(sys.argv[1]), pinecone.control)
    threading.Event().wait()
