"""IBM Cloud as far as object storage needs it: an identity service, and a door that only tokens open."""

import json
import secrets
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

API_KEY = "api-key-for-tests"
INSTANCE = "crn:v1:bluemix:public:cloud-object-storage:global:a/test:test::"

_OWN = frozenset({"host", "authorization", "connection", "content-length", "transfer-encoding", "expect"})
_SIGNED = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
"""What the store behind the door sees; it checks no signatures, but lets nobody in without one."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Request:
    """What a client asked of object storage."""

    method: str
    path: str
    authorization: str


@dataclass
class IbmCloud:
    """Its addresses, and what it saw.

    Attributes:
        endpoint_url: of object storage.
        token_url: of the identity service.
        token: the only valid one.
        sold_to: the API keys that bought it.
        requests: what object storage was asked.
    """

    endpoint_url: str
    token_url: str
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    sold_to: set[str] = field(default_factory=set)
    requests: list[Request] = field(default_factory=list)


@contextmanager
def ibm_cloud(store: str) -> Iterator[IbmCloud]:
    """Stand before the S3 server at `store`: let in who shows the token, and hide the token from the server."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path != "/identity/token":
                return self.forward(body)
            form = dict(urllib.parse.parse_qsl(body.decode()))
            if form != {
                "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
                "response_type": "cloud_iam",
                "apikey": API_KEY,
            }:
                return self.reply(400, {}, b'{"errorMessage": "Provided API key could not be found."}')
            cloud.sold_to.add(form["apikey"])
            token = {"access_token": cloud.token, "token_type": "Bearer", "expires_in": 3600}
            return self.reply(200, {"Content-Type": "application/json"}, json.dumps(token).encode())

        def do_any(self) -> None:
            self.forward(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        do_GET = do_PUT = do_DELETE = do_HEAD = do_any

        def forward(self, body: bytes) -> None:
            shown = self.headers.get("Authorization", "")
            cloud.requests.append(Request(self.command, self.path, shown))
            if shown != f"Bearer {cloud.token}":
                return self.reply(403, {}, b"")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            headers["Authorization"] = _SIGNED
            asked = urllib.request.Request(store + self.path, body, headers, method=self.command)
            try:
                answer: Any = _DIRECT.open(asked)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                return self.reply(answer.status, dict(answer.headers), answer.read())

        def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in {"connection", "transfer-encoding", "content-length", "date", "server"}:
                    self.send_header(name, value)
            described = headers.get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", described or str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    url = f"http://127.0.0.1:{server.server_port}"
    cloud = IbmCloud(url, f"{url}/identity/token")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
