"""What every route has in common, on small routes of its own."""

import json

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from pydantic import BaseModel

from ketbase.accounts.types import Caller
from ketbase.errors import ConflictError
from ketbase.ports.records import BusyError
from ketbase.runtime import wiring
from ketbase.runtime.http import Envelope, application, paged, requires
from ketbase.runtime.middleware import MAX_BODY_BYTES
from ketbase.runtime.settings import settings


class Body(BaseModel):
    number: float
    names: list[str] = []


router = APIRouter()


@router.post("/things")
def make_thing(body: Body, caller: Caller = requires("circuits:write")) -> Envelope[dict[str, float]]:
    return Envelope.of({"number": body.number})


@router.get("/things")
def list_things(page=paged) -> Envelope[str]:
    return Envelope.of(f"{page.limit} {page.offset} {page.descending}")


@router.get("/errors/{kind}")
def break_down(kind: str) -> None:
    raise {
        "conflict": ConflictError("THING_BUSY", "The thing is busy.", thing=1),
        "busy": BusyError("x"),
        "bug": KeyError("secret detail"),
    }[kind]


@pytest.fixture
def api(tmp_path, monkeypatch):
    monkeypatch.setenv("KETBASE_DATA", str(tmp_path))
    forget()
    key = wiring.founding().found()
    yield TestClient(application(router), raise_server_exceptions=False, headers={"X-API-Key": key})
    forget()


def forget():
    settings.cache_clear()
    for made in vars(wiring).values():
        if hasattr(made, "cache_clear"):
            made.cache_clear()


def test_an_answer_has_data_and_meta_and_no_error(api):
    answer = api.post("/things", json={"number": 1.5}).json()
    assert answer["success"] is True
    assert answer["data"] == {"number": 1.5}
    assert answer["error"] is None
    assert set(answer["meta"]) == {"timestamp", "request_id", "version"}


def test_a_request_id_is_taken_over_or_made(api):
    given = api.get("/things", headers={"X-Request-ID": "abc-1"})
    assert (given.headers["X-Request-ID"], given.json()["meta"]["request_id"]) == ("abc-1", "abc-1")
    made = api.get("/things", headers={"X-Request-ID": "not an id\x00"})
    assert made.headers["X-Request-ID"] == made.json()["meta"]["request_id"] != "not an id"


def test_a_key_goes_in_its_header_or_as_a_bearer_token(api):
    key = api.headers.pop("X-API-Key")
    bearer = api.post("/things", json={"number": 1}, headers={"Authorization": f"Bearer {key}"})
    assert bearer.status_code == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [({}, "NOT_AUTHENTICATED"), ({"X-API-Key": "qsk_dev_" + "a" * 24}, "INVALID_API_KEY"), ({"X-API-Key": "x"}, "INVALID_API_KEY")],
)  # fmt: skip
def test_without_a_good_key_nothing_is_done(api, headers, code):
    del api.headers["X-API-Key"]
    refused = api.post("/things", json={"number": 1}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, code)


@pytest.mark.parametrize(
    ("content", "code", "field"),
    [
        (b"{", "MALFORMED_JSON", None),
        (b'{"number": 1', "MALFORMED_JSON", None),
        (b"[]", "VALIDATION_ERROR", "body"),
        (b"{}", "VALIDATION_ERROR", "number"),
        (b'{"number": "x"}', "VALIDATION_ERROR", "number"),
        (b'{"number": 1, "names": ["a", 2]}', "VALIDATION_ERROR", "names.1"),
        (b"\xff\xfe", "MALFORMED_JSON", None),
        (b'{"number": 1, "names": ["\\ud800"]}', "MALFORMED_JSON", None),
        (b'{"\\uDFFF": 1}', "MALFORMED_JSON", None),
        (b'{"number": 1, "names": ["\xed\xa0\x80"]}', "MALFORMED_JSON", None),
        ('{"number": 1, "names": ["\ud800"]}'.encode("utf-16-le", "surrogatepass"), "MALFORMED_JSON", None),
        (b"", "VALIDATION_ERROR", "body"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_the_field(api, content, code, field):
    refused = api.post("/things", content=content, headers={"Content-Type": "application/json"})
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (422, code)
    if field:
        assert error["details"]["fields"][0]["field"] == field


@pytest.mark.parametrize("name", ["🐈", "\\ud800", "\0", "é"])
def test_text_of_any_kind_is_taken(api, name):
    for ensure_ascii in (True, False):
        content = json.dumps({"number": 1, "names": [name]}, ensure_ascii=ensure_ascii).encode()
        assert api.post("/things", content=content, headers={"Content-Type": "application/json"}).status_code == 200


def test_a_body_over_the_limit_is_refused_whether_it_says_its_size_or_not(api):
    large = json.dumps({"number": 1, "names": ["x" * MAX_BODY_BYTES]}).encode()
    for content in (large, iter([large[:500_000], large[500_000:]])):
        refused = api.post("/things", content=content, headers={"Content-Type": "application/json"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/things/", 404, "ROUTE_NOT_FOUND"),
        ("DELETE", "/things", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/errors/conflict", 409, "THING_BUSY"),
        ("GET", "/errors/busy", 503, "BUSY"),
        ("GET", "/errors/bug", 500, "INTERNAL"),
        ("GET", "/things?limit=0", 422, "VALIDATION_ERROR"),
        ("GET", "/things?limit=101", 422, "VALIDATION_ERROR"),
        ("GET", "/things?sort=colour", 422, "INVALID_SORT"),
        ("GET", "/things?cursor=%00", 422, "INVALID_CURSOR"),
    ],
)
def test_every_refusal_is_an_envelope_with_a_stable_code(api, method, path, status, code):
    refused = api.request(method, path)
    answer = refused.json()
    assert (refused.status_code, answer["error"]["code"], answer["success"]) == (status, code, False)
    assert "secret detail" not in refused.text


def test_a_page_is_what_was_asked_for(api):
    assert api.get("/things?limit=5&offset=2&sort=created_at").json()["data"] == "5 2 False"


def test_where_cloudfront_stands_before_it_nobody_goes_around(api, monkeypatch):
    monkeypatch.setenv("KETBASE_EDGE_SECRET", "what-only-cloudfront-knows")
    settings.cache_clear()
    assert api.get("/things").status_code == 403
    assert (
        api.get("/things", headers={"X-Ketbase-Edge": "a guess"}).json()["error"]["code"] == "NOT_THROUGH_THE_EDGE"
    )
    assert api.get("/things", headers={"X-Ketbase-Edge": "what-only-cloudfront-knows"}).status_code == 200
