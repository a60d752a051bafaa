"""Authentication as HTTP sees it: all routes of auth, and small routes of the tests' own."""

import base64
import json
import subprocess
import sys

import pyotp
import pytest
from argon2.profiles import CHEAPEST
from fastapi import APIRouter
from fastapi.testclient import TestClient

from ketbase.accounts.roles import Role
from ketbase.auth.passwords import Passwords
from ketbase.local.template import home, read_template
from ketbase.runtime import wiring
from ketbase.runtime.http import Caller, Envelope, application, requires, session_only, signed_in
from ketbase.runtime.settings import settings

EMAIL, PASSWORD = "owner@example.com", "correct horse battery"

own = APIRouter()


@own.get("/scoped")
def read_scoped(caller: Caller = requires("circuits:read")) -> Envelope[Caller]:
    return Envelope.of(caller)


@own.get("/beyond")
def read_beyond(caller: Caller = requires("moon:read")) -> Envelope[Caller]:
    return Envelope.of(caller)


@own.get("/anybody")
def read_anybody(caller: Caller = signed_in()) -> Envelope[Caller]:
    return Envelope.of(caller)


@own.get("/people")
def read_people(caller: Caller = session_only()) -> Envelope[Caller]:
    return Envelope.of(caller)


@pytest.fixture(scope="module")
def routers():
    functions = read_template(home()).functions.values()
    return [each.load().router for each in functions if each.route and each.path.parent.parent.name == "auth"]


@pytest.fixture
def key(tmp_path, monkeypatch):
    monkeypatch.setenv("KETBASE_DATA", str(tmp_path))
    forget()
    monkeypatch.setattr(wiring, "passwords", lambda: Passwords(CHEAPEST))
    made = wiring.founding().found()
    wiring.first_owner().sign_in_with(EMAIL, PASSWORD)
    yield made
    forget()


@pytest.fixture
def api(key, routers):
    return TestClient(application(own, *routers), raise_server_exceptions=False, base_url="https://testserver")


def forget():
    settings.cache_clear()
    for made in list(vars(wiring).values()):
        if hasattr(made, "cache_clear"):
            made.cache_clear()


def sign_in(api, **more):
    return api.post("/v1/auth/token", json={"grant_type": "password", "email": EMAIL, "password": PASSWORD, **more})


def bearer(api):
    return {"Authorization": f"Bearer {sign_in(api).json()['access_token']}"}


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


# --- Who may call ---


def test_a_key_and_a_session_go_where_their_scopes_let_them(api, key):
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, bearer(api)):
        assert api.get("/scoped", headers=headers).status_code == 200
        assert api.get("/anybody", headers=headers).status_code == 200
        assert code(api.get("/beyond", headers=headers)) == (403, "MISSING_SCOPE")


def test_keys_do_not_do_what_only_people_may(api, key):
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
        assert code(api.get("/people", headers=headers)) == (403, "SESSION_REQUIRED")
    assert api.get("/people", headers=bearer(api)).status_code == 200


@pytest.mark.parametrize("path", ["/scoped", "/anybody", "/people"])
def test_without_a_good_credential_nobody_gets_in_and_is_told_how(api, path):
    for headers, expected in [
        ({}, "NOT_AUTHENTICATED"),
        ({"Authorization": "Basic abc"}, "NOT_AUTHENTICATED"),
        ({"Authorization": "Bearer nonsense"}, "INVALID_TOKEN"),
        ({"X-API-Key": "nonsense"}, "INVALID_API_KEY"),
        ({"Authorization": "Bearer qsk_dev_nonsense"}, "INVALID_API_KEY"),
    ]:
        refused = api.get(path, headers=headers)
        assert code(refused) == (401, expected)
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_without_a_signature_is_refused_over_http_too(api):
    head, body, _ = bearer(api)["Authorization"].removeprefix("Bearer ").split(".")
    kid = json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": kid}).encode()).rstrip(b"=").decode()
    refused = api.get("/scoped", headers={"Authorization": f"Bearer {none}.{body}."})
    assert code(refused) == (401, "INVALID_TOKEN")
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]


def test_who_signs_out_or_is_removed_is_out_at_once(api):
    headers = bearer(api)
    token = headers["Authorization"].removeprefix("Bearer ")
    assert api.post("/v1/auth/revoke", data={"token": token}).status_code == 200
    assert code(api.get("/scoped", headers=headers)) == (401, "SESSION_ENDED")

    headers = bearer(api)
    owner = wiring.account_store().user_by_email(EMAIL)
    kept = wiring.account_store().kept(owner.organization_id, owner.id)[1]
    wiring.records().write(wiring.account_store().remove_user(kept))
    assert code(api.get("/scoped", headers=headers)) == (401, "SESSION_ENDED")


def test_a_role_counts_as_it_is_now(api):
    headers = bearer(api)
    owner = wiring.account_store().user_by_email(EMAIL)
    kept = wiring.account_store().kept(owner.organization_id, owner.id)[1]
    wiring.records().write(
        wiring.account_store().replace_user(kept, owner.model_copy(update={"role": Role.VIEWER}))
    )
    caller = api.get("/anybody", headers=headers).json()["data"]
    assert caller["role"] == "viewer"
    assert "circuits:read" in caller["scopes"]
    assert "jobs:submit" not in caller["scopes"]


def test_a_caller_carries_where_they_come_from(api, key):
    headers = {"X-API-Key": key, "User-Agent": "x" * 300, "X-Request-ID": "req-7"}
    origin = api.get("/anybody", headers=headers).json()["data"]["origin"]
    assert origin == {"address": "testclient", "agent": "x" * 200, "request_id": "req-7"}


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.1", "testclient"),
        (0, "203.0.113.1, testclient", "testclient"),
        (1, "6.6.6.6, 203.0.113.1", "203.0.113.1"),
        (1, "6.6.6.6, 203.0.113.1, testclient", "203.0.113.1"),
        (2, "6.6.6.6, 203.0.113.1, 198.51.100.1", "203.0.113.1"),
        (3, "203.0.113.1", "testclient"),
        (1, "", "testclient"),
    ],
)
def test_an_address_is_what_our_own_outermost_proxy_saw(api, key, monkeypatch, proxies, forwarded, address):
    monkeypatch.setenv("KETBASE_PROXIES", str(proxies))
    settings.cache_clear()
    answer = api.get("/anybody", headers={"X-API-Key": key, "X-Forwarded-For": forwarded})
    assert answer.json()["data"]["origin"]["address"] == address


# --- Rate limits ---


def test_every_answer_to_a_caller_says_what_is_left(api, key):
    for limit, headers in ((10_000, {"X-API-Key": key}), (1_000, bearer(api))):
        left = []
        for path in ("/scoped", "/beyond", "/people"):
            answer = api.get(path, headers=headers)
            assert answer.headers["X-RateLimit-Limit"] == str(limit)
            assert int(answer.headers["X-RateLimit-Reset"]) > 1_700_000_000
            left.append(int(answer.headers["X-RateLimit-Remaining"]))
        assert left == sorted(left, reverse=True)
        assert left[0] < limit
    assert "X-RateLimit-Limit" not in api.get("/scoped").headers


def test_who_asks_too_often_is_told_to_wait(api, key, monkeypatch):
    monkeypatch.setattr("ketbase.auth.admission.SESSION_RATE_LIMIT", 3)
    headers = bearer(api)
    answers = [api.get("/scoped", headers=headers) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    refused = answers[-1]
    assert code(refused) == (429, "RATE_LIMITED")
    assert (refused.headers["X-RateLimit-Limit"], refused.headers["X-RateLimit-Remaining"]) == ("3", "0")
    assert 1 <= int(refused.headers["Retry-After"]) <= 34
    assert api.get("/scoped", headers={"X-API-Key": key}).status_code == 200


# --- Tokens ---


@pytest.mark.parametrize("form", [False, True])
def test_a_token_request_comes_as_json_or_as_a_form(api, form):
    fields = {"grant_type": "password", "username": EMAIL, "password": PASSWORD, "client_id": "ignored"}
    answer = api.post("/v1/auth/token", **({"data": fields} if form else {"json": fields}))
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "invalid_request"),
        ({"grant_type": "password", "email": EMAIL, "password": 7}, 400, "invalid_request"),
        ({"grant_type": "password", "email": "x" * 300, "password": "x"}, 400, "invalid_request"),
        ({"grant_type": "magic"}, 400, "unsupported_grant_type"),
        ({"grant_type": "password", "email": EMAIL, "password": "wrong"}, 400, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
        ([], 400, "invalid_request"),
        ("text", 400, "invalid_request"),
    ],
)
def test_a_token_request_is_refused_as_rfc_6749_says(api, body, status, error):
    refused = api.post("/v1/auth/token", json=body)
    assert (refused.status_code, refused.json()["error"]) == (status, error)
    assert set(refused.json()) == {"error", "error_description"}
    assert "no-store" in refused.headers["Cache-Control"]


@pytest.mark.parametrize("content", [b"", b"{", b"grant_type=password&grant_type=password", b"a=%ff", b"&" * 1_000])
def test_a_body_that_cannot_be_read_is_an_invalid_request(api, content):
    for kind in ("application/json", "application/x-www-form-urlencoded"):
        refused = api.post("/v1/auth/token", content=content, headers={"Content-Type": kind})
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


def test_too_many_tries_are_told_to_wait_without_an_envelope(api):
    for _ in range(10):
        sign_in(api, password="wrong")
    refused = sign_in(api)
    assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 90


def test_the_second_factor_is_turned_on_asked_for_and_turned_off(api):
    headers = bearer(api)
    device = pyotp.TOTP(api.post("/v1/auth/mfa", headers=headers).json()["data"]["secret"])
    confirmed = api.post("/v1/auth/mfa/confirm", headers=headers, json={"code": device.now()})
    codes = confirmed.json()["data"]["recovery_codes"]
    asked = sign_in(api)
    assert (asked.status_code, asked.json()["error"]) == (403, "mfa_required")
    assert sign_in(api, recovery_code=codes[0]).status_code == 200
    by_password = api.request("DELETE", "/v1/auth/mfa", headers=headers, json={"password": PASSWORD})
    assert by_password.status_code == 422
    turned_off = api.request("DELETE", "/v1/auth/mfa", headers=headers, json={"recovery_code": codes[1]})
    assert turned_off.status_code == 204
    assert sign_in(api).status_code == 200


def test_sessions_are_listed_and_ended(api):
    first, second = bearer(api), bearer(api)
    listed = api.get("/v1/auth/sessions", headers=second).json()["data"]
    assert [each["current"] for each in listed] == [False, True]
    assert listed[0]["address"] == "testclient"
    assert api.delete(f"/v1/auth/sessions/{listed[0]['id']}", headers=second).status_code == 204
    assert code(api.get("/v1/auth/sessions", headers=first)) == (401, "SESSION_ENDED")
    assert code(api.delete("/v1/auth/sessions/session_x", headers=second)) == (404, "SESSION_NOT_FOUND")


def test_passwords_are_changed_forgotten_and_reset(api):
    headers, new = bearer(api), "a longer horse battery"
    wrong = api.post("/v1/auth/password", headers=headers, json={"old_password": "x", "new_password": new})
    assert code(wrong) == (422, "WRONG_PASSWORD")
    changed = api.post("/v1/auth/password", headers=headers, json={"old_password": PASSWORD, "new_password": new})
    assert changed.status_code == 204
    answers = [api.post("/v1/auth/password/forgot", json={"email": email}) for email in (EMAIL, "eve@example.com")]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, answers[0].content)] * 2
    reset = api.post("/v1/auth/password/reset", json={"token": "x", "new_password": new})
    assert code(reset) == (422, "INVALID_RESET_TOKEN")


def test_the_published_keys_verify_a_token(api):
    from joserfc import jwt
    from joserfc.jwk import KeySet

    answer = api.get("/.well-known/jwks.json")
    token = sign_in(api).json()["access_token"]
    assert jwt.decode(token, KeySet.import_key_set(answer.json()), ["ES256"]).claims["email"] == EMAIL
    assert "max-age" in answer.headers["Cache-Control"]


# --- What the document says ---


def test_the_document_tells_who_may_call_each_route(api):
    security = {
        path: next(iter(each.values())).get("security") for path, each in api.app.openapi()["paths"].items()
    }
    assert security["/scoped"] == [{"ApiKey": ["circuits:read"]}, {"Bearer": ["circuits:read"]}]
    assert security["/anybody"] == [{"ApiKey": []}, {"Bearer": []}]
    assert security["/people"] == [{"Session": []}]
    assert security["/v1/auth/token"] is None


def test_an_api_key_loads_no_library_of_tokens(tmp_path):
    program = """
import sys
from ketbase.accounts.types import Origin
from ketbase.runtime import wiring
key = wiring.founding().found()
wiring.admission().by_key(key, Origin())
print(sorted({name.split(".")[0] for name in sys.modules} & {"joserfc", "cryptography", "argon2", "authlib", "pyotp", "segno", "requests"}))
"""
    environment = {"KETBASE_DATA": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
