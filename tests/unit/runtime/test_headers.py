"""What browsers are told, and which pages may call."""

from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from fastapi import APIRouter
from fastapi.responses import Response
from fastapi.testclient import TestClient

from ketbase.runtime import docs, headers
from ketbase.runtime.http import Caller, application, requires
from ketbase.runtime.middleware import MAX_BODY_BYTES
from ketbase.runtime.settings import settings

SITE = "https://app.example.com"
router = APIRouter()


@router.get("/things")
def read_things() -> str:
    return "things"


@router.get("/cached")
def read_cached() -> Response:
    return Response("x", headers={"Cache-Control": "max-age=60", "Content-Security-Policy": "default-src 'self'"})


@router.get("/mine")
def read_mine(caller: Caller = requires("circuits:read")) -> str:
    return "mine"


@router.get("/broken")
def read_broken() -> str:
    raise KeyError


@pytest.fixture
def serving(tmp_path, monkeypatch):
    def serve(origins=""):
        monkeypatch.setenv("KETBASE_DATA", str(tmp_path))
        monkeypatch.setenv("KETBASE_CORS_ORIGINS", origins)
        settings.cache_clear()
        return TestClient(application(router), raise_server_exceptions=False)

    yield serve
    settings.cache_clear()


@pytest.mark.parametrize("path", ["/things", "/mine", "/nowhere", "/broken"])
def test_every_answer_tells_browsers_to_be_careful(serving, path):
    answer = serving().get(path)
    assert {name: answer.headers.get(name) for name in headers.SECURITY} == headers.SECURITY
    assert "server" not in answer.headers


def test_an_answer_that_no_route_made_is_as_careful(serving):
    answer = serving().post("/things", content=b"x" * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_a_route_may_say_otherwise(serving):
    answer = serving().get("/cached")
    assert answer.headers["Cache-Control"] == "max-age=60"
    assert answer.headers["Content-Security-Policy"] == "default-src 'self'"


# --- CORS ---

PREFLIGHT = {
    "Origin": SITE,
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "x-api-key, idempotency-key, authorization, content-type",
}


def test_without_the_setting_no_page_may_call(serving):
    api = serving()
    assert api.options("/things", headers=PREFLIGHT).status_code == 405
    assert "access-control-allow-origin" not in api.get("/things", headers={"Origin": SITE}).headers


def test_a_preflight_from_a_site_of_the_setting_is_granted(serving):
    granted = serving(f"https://other.example.com, {SITE}/").options("/things", headers=PREFLIGHT)
    assert granted.status_code == 200
    assert granted.headers["access-control-allow-origin"] == SITE
    assert granted.headers["access-control-allow-credentials"] == "true"
    assert "Idempotency-Key" in granted.headers["access-control-allow-headers"]
    assert granted.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", f"{SITE}.evil.com", "null", "http://app.example.com"]
)
def test_another_site_is_refused(serving, origin):
    api = serving(SITE)
    assert api.options("/things", headers={**PREFLIGHT, "Origin": origin}).status_code == 400
    assert "access-control-allow-origin" not in api.get("/things", headers={"Origin": origin}).headers


@pytest.mark.parametrize("path", ["/things", "/mine", "/nowhere", "/broken"])
def test_a_page_may_read_every_answer_errors_too_with_its_headers(serving, path):
    answer = serving(SITE).get(path, headers={"Origin": SITE})
    assert answer.headers["access-control-allow-origin"] == SITE
    assert set(answer.headers["access-control-expose-headers"].split(", ")) == set(headers.CORS_EXPOSED)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_a_method_that_no_route_has_is_refused(serving, method):
    asked = {**PREFLIGHT, "Access-Control-Request-Method": method}
    assert serving(SITE).options("/things", headers=asked).status_code == 400


class Scripts(HTMLParser):
    """Collects scripts as a browser sees them."""

    def __init__(self):
        super().__init__()
        self.hashes = []
        self.inside = False

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "script"
        assert not any(name == "src" or name.startswith("on") for name, _ in attrs)

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.hashes.append(b64encode(sha256(data.encode()).digest()).decode())


def test_the_documentation_page_runs_its_own_scripts_and_nothing_else():
    page = Scripts()
    page.feed(docs.documentation_page())
    allowed = dict(part.strip().split(" ", 1) for part in docs.documentation_policy().split(";"))
    assert allowed["script-src"] == " ".join(f"'sha256-{each}'" for each in page.hashes)
    assert len(page.hashes) == 2
    assert allowed["default-src"] == "'none'"
