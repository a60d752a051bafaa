"""A receiver of webhooks on this machine."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What was posted to it, and what it answers.

    Attributes:
        statuses: the answers to come; 200 when there are none left.
    """

    origin: str = ""
    posts: list[tuple[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def url(self, path: str = "/services/T0/B0/secret") -> str:
        return self.origin + path

    @property
    def texts(self) -> list[str]:
        return [body["text"] for _, body in self.posts]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serve a receiver; a post to `/redirect` is sent on to `/inside`."""
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.posts.append((self.path, body))
            status = 307 if self.path == "/redirect" else told.statuses.pop(0) if told.statuses else 200
            self.send_response(status)
            if status == 307:
                self.send_header("Location", "/inside")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.origin = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
