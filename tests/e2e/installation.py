"""A whole installation in this process: every route there is, over a folder, with a clock that can be turned."""

import functools
import importlib.util
import itertools
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from argon2.profiles import CHEAPEST
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from ketbase.adapters.clock import SystemClock
from ketbase.auth.passwords import Passwords
from ketbase.local.server import literal_first, take_uploads
from ketbase.runtime import observability, wiring
from ketbase.runtime.http import application
from ketbase.runtime.settings import settings
from tests.template import ROOT

SETTINGS = {
    "KETBASE_SIGN_UP": "open",
    "KETBASE_SIGN_IN_TRIES": "1000000",
    "KETBASE_INVITATIONS_A_DAY": "1000000",
    "KETBASE_STAGE": "test",
}
PASSWORD = "correct horse battery staple"
METHODS = ("get", "post", "put", "patch", "delete")


class ShiftedClock(SystemClock):
    """The system's clock, put forward or back; nobody sleeps."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        return super().now() + self.shift

    def sleep(self, seconds: float) -> None:
        """Whoever waits is told at once that the time is over."""
        self.shift += timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Route:
    """An operation of the OpenAPI document.

    Attributes:
        scope: what its security asks for; empty where any credential will do.
        kind: `public`, `any` (a key or a session), or `session`.
    """

    method: str
    path: str
    operation: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def kind(self) -> str:
        schemes = {name for each in self.operation.get("security", ()) for name in each}
        return "public" if not schemes else "any" if "ApiKey" in schemes else "session"

    @property
    def scope(self) -> str:
        scopes = {
            scope for each in self.operation.get("security", ()) for asked in each.values() for scope in asked
        }
        assert len(scopes) <= 1, f"{self} asks for several scopes; the tests know of one"
        return next(iter(scopes), "")

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def changes(self) -> bool:
        return self.method != "GET"


class Installation:
    """Everything but the workers: jobs wait, unless a test runs their steps."""

    def __init__(self, data: Path, clock: ShiftedClock):
        self.data = data
        self.clock = clock
        self.functions = {folder: _load(folder) for folder in _folders()}
        routers = [module.router for module in self.functions.values() if hasattr(module, "router")]
        self.app = application(*literal_first(routers))
        take_uploads(self.app)
        self.document: dict[str, Any] = json.loads(json.dumps(self.app.openapi()))
        self.client: TestClient
        self.calls = 0

    @property
    def routes(self) -> list[Route]:
        return [
            Route(method.upper(), path, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
            if method in METHODS
        ]

    def call(self, method: str, path: str, credential: dict[str, str] | None = None, **asked: Any) -> Response:
        self.calls += 1
        headers = {**(credential or {}), **asked.pop("headers", {})}
        return self.client.request(method, path, headers=headers, follow_redirects=False, **asked)

    def data_of(self, method: str, path: str, credential: dict[str, str] | None = None, **asked: Any) -> Any:
        """Call, and give the envelope's data."""
        answer = self.call(method, path, credential, **asked)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()["data"] if answer.content else None

    def deliver(self) -> None:
        """Send the mails that wait."""
        self.functions["ops/deliver"].handler({}, None)

    def mails(self, to: str) -> list[str]:
        """Read the mails to an address, the oldest first."""
        self.deliver()
        found = []
        for path in sorted((self.data / "mail").glob("*.eml")):
            message = message_from_bytes(path.read_bytes(), policy=default)
            if message["To"] == to:
                found.append(message.get_content().replace("\r\n", "\n"))
        return found


class Member:
    """A person of an organisation, with a session and a way to make keys."""

    def __init__(self, house: Installation, email: str, role: str, organization_id: str, user_id: str):
        self.house = house
        self.email = email
        self.role = role
        self.organization_id = organization_id
        self.user_id = user_id
        self.password = PASSWORD
        self.session = self.sign_in()

    def sign_in(self) -> dict[str, str]:
        """Open another session."""
        return {"Authorization": f"Bearer {self.tokens()['access_token']}"}

    def tokens(self) -> dict[str, Any]:
        form = {"grant_type": "password", "username": self.email, "password": self.password}
        answer = self.house.call("POST", "/v1/auth/token", data=form)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def new_key(self, scopes: list[str], **asked: Any) -> dict[str, Any]:
        """Make a key, and give what was answered."""
        body = {"name": "test", "scopes": scopes, "rate_limit": 10_000, **asked}
        return self.house.data_of("POST", "/v1/api-keys", self.session, json=body)

    def key(self, scopes: list[str], **asked: Any) -> dict[str, str]:
        return {"X-API-Key": self.new_key(scopes, **asked)["key"]}

    def call(self, method: str, path: str, **asked: Any) -> Response:
        return self.house.call(method, path, self.session, **asked)

    def data_of(self, method: str, path: str, **asked: Any) -> Any:
        return self.house.data_of(method, path, self.session, **asked)

    def invite(self, role: str, marker: str = "") -> "Member":
        """Have somebody join the organisation."""
        email = f"{role}{marker}{next(_numbers)}@example.com"
        self.data_of("POST", "/v1/users", json={"email": email, "role": role})
        (mail,) = self.house.mails(email)
        (token,) = re.findall(r"^[\w-]{32,}$", mail, re.MULTILINE)
        body = {"token": token, "name": f"{role} {marker}".strip(), "password": PASSWORD}
        made = self.house.data_of("POST", "/v1/invitations/accept", json=body)
        return Member(self.house, email, role, self.organization_id, made["id"])


def found(house: Installation, marker: str = "") -> Member:
    """Sign an organisation up, and give its owner."""
    email = f"owner{marker}{next(_numbers)}@example.com"
    body = {
        "organization_name": f"House {marker or next(_numbers)}",
        "name": f"Owner {marker}".strip(),
        "email": email,
        "password": PASSWORD,
    }
    made = house.data_of("POST", "/v1/organizations", json=body)
    return Member(house, email, "owner", made["organization"]["id"], made["user"]["id"])


@contextmanager
def installation(data: Path, **asked: str) -> Iterator[Installation]:
    """Wire everything over a folder, and leave no trace of it in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**SETTINGS, **asked, "KETBASE_DATA": str(data)}.items():
            patch.setenv(name, value)
        _forget()
        clock = ShiftedClock()
        patch.setattr(wiring, "clock", functools.cache(lambda: clock))
        # What passwords cost is tested elsewhere.
        patch.setattr(wiring, "passwords", functools.cache(lambda: Passwords(CHEAPEST)))
        patch.setattr(observability.logger(), "propagate", False)
        patch.setattr(observability, "_meter", lambda *_measured, **_labels: None)
        house = Installation(data, clock)
        with TestClient(_from_anywhere(house.app), raise_server_exceptions=False) as client:
            house.client = client
            yield house
    _forget()


@contextmanager
def log_lines() -> Iterator[list[str]]:
    """Collect every line that is logged meanwhile, as it is written."""
    collected: list[str] = []
    formatter = observability.logger().registered_formatter

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            collected.append(formatter.format(record) if record.name == "ketbase" else self.format(record))

    collector = Collector()
    loggers = [logging.getLogger("ketbase"), logging.getLogger()]
    for logger in loggers:
        logger.addHandler(collector)
    try:
        yield collected
    finally:
        for logger in loggers:
            logger.removeHandler(collector)


_numbers = itertools.count(1)


def _folders() -> list[str]:
    return sorted(str(path.parent.relative_to(ROOT / "functions")) for path in ROOT.glob("functions/*/*/app.py"))


@functools.cache
def _load(folder: str) -> Any:
    path = ROOT / "functions" / folder / "app.py"
    spec = importlib.util.spec_from_file_location(f"functions.{folder.replace('/', '.')}.app", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _from_anywhere(app: FastAPI) -> Any:
    """Give each request an address of its own, so that nobody waits for having tried too often from one."""
    addresses = itertools.count(1)

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            number = next(addresses)
            scope = {**scope, "client": (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 1)}
        await app(scope, receive, send)

    return serve


def _forget() -> None:
    settings.cache_clear()
    for made in vars(wiring).values():
        if hasattr(made, "cache_clear"):
            made.cache_clear()
