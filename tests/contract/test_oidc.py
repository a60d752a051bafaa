"""Signing in with an account elsewhere, against a real OpenID Connect provider."""

import hashlib
import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pyotp
import pytest
from argon2.profiles import CHEAPEST
from fastapi.testclient import TestClient

from ketbase.accounts.requests import CreateKey
from ketbase.accounts.types import Caller, Origin
from ketbase.adapters.clock import SystemClock
from ketbase.adapters.identity.oidc import OpenIdProvider
from ketbase.auth.passwords import Passwords
from ketbase.errors import UnauthenticatedError, UnavailableError
from ketbase.local.template import home, read_template
from ketbase.ports.records import Key, Update
from ketbase.runtime import wiring
from ketbase.runtime.http import application
from ketbase.runtime.oidc import COOKIE
from ketbase.runtime.settings import settings
from tests.identity_provider import running_provider
from tests.servers import free_port

PUBLIC_URL = "https://testserver"
CALLBACK = f"{PUBLIC_URL}/v1/auth/oidc/callback"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The provider's address."""
    with running_provider(CALLBACK) as address:
        yield address


@pytest.fixture(scope="module")
def routers():
    functions = read_template(home()).functions.values()
    return [each.load().router for each in functions if each.route and each.path.parent.parent.name == "auth"]


@pytest.fixture
def api(issuer, routers, tmp_path, monkeypatch):
    """An installation whose first owner is owner@example.com."""
    for name, value in {
        "DATA": str(tmp_path),
        "PUBLIC_URL": PUBLIC_URL,
        "OIDC_ISSUER": issuer,
        "OIDC_CLIENT_ID": "ketbase",
        "OIDC_CLIENT_SECRET": "a-client-secret",
    }.items():
        monkeypatch.setenv(f"KETBASE_{name}", value)
    forget()
    monkeypatch.setattr(wiring, "passwords", lambda: Passwords(CHEAPEST))
    wiring.founding().found()
    wiring.first_owner().sign_in_with("owner@example.com", PASSWORD)
    yield TestClient(application(*routers), base_url=PUBLIC_URL, follow_redirects=False)
    forget()


def forget():
    settings.cache_clear()
    for made in list(vars(wiring).values()):
        if hasattr(made, "cache_clear"):
            made.cache_clear()


def start(api):
    """Begin, and give where the browser is sent."""
    answer = api.get("/v1/auth/oidc/start")
    assert answer.status_code == 302
    return answer.headers["location"]


def log_in(url: str, account: str) -> str:
    """Log in at the provider and consent, as a browser does; gives where it sends the browser in the end."""
    with httpx.Client(trust_env=False, timeout=20) as browser:
        answer = browser.get(url)
        for _ in range(12):
            place = answer.headers.get("location", "")
            if place.startswith(CALLBACK):
                return place
            if place:
                answer = browser.get(str(answer.url.join(place)))
                continue
            form = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert form, answer.text
            assert prompt, answer.text
            fields = {"prompt": prompt[1], "login": account, "password": "any"}
            answer = browser.post(str(answer.url.join(form[1])), data=fields)
    raise AssertionError(f"the provider never came to an end: {answer.text}")


def come_back(api, place: str):
    return api.get(place.removeprefix(PUBLIC_URL))


def sign_in(api, account: str):
    return come_back(api, log_in(start(api), account))


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def journey(url: str) -> Key:
    state = parse_qs(urlsplit(url).query)["state"][0]
    return Key(f"oidc#{hashlib.sha256(state.encode()).hexdigest()}", "journey")


def test_the_way_there_asks_for_a_code_with_pkce_and_a_nonce(api, issuer):
    url = start(api)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(issuer)
    assert (asked["response_type"], asked["code_challenge_method"], asked["redirect_uri"]) == (
        "code",
        "S256",
        CALLBACK,
    )
    assert asked["scope"].split()[0] == "openid"
    assert len(asked["state"]) == len(asked["nonce"]) == len(asked["code_challenge"]) == 43
    cookie = api.get("/v1/auth/oidc/start").headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=600"} <= set(cookie.split("; "))


def test_somebody_with_a_verified_address_signs_in_and_is_known_by_their_account_from_then_on(api):
    granted = sign_in(api, "owner")
    assert granted.status_code == 200, granted.text
    assert set(granted.json()) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert "no-store" in granted.headers["cache-control"]
    headers = {"Authorization": f"Bearer {granted.json()['access_token']}"}
    assert len(api.get("/v1/auth/sessions", headers=headers).json()["data"]) == 1

    store, owner = wiring.account_store(), wiring.account_store().user_by_email("owner@example.com")
    kept = store.kept(owner.organization_id, owner.id)[1]
    wiring.records().write(
        store.replace_user(kept, owner.model_copy(update={"email": "moved@example.com"})),
        store.free_email("owner@example.com"),
    )
    again = sign_in(api, "owner")
    assert again.status_code == 200


def test_a_stranger_has_no_account(api):
    assert code(sign_in(api, "stranger")) == (403, "NO_ACCOUNT")


def test_an_address_that_the_provider_has_not_verified_is_nobodys(api):
    assert code(sign_in(api, "unverified-owner")) == (403, "NO_ACCOUNT")


def test_a_second_account_with_the_same_address_is_not_the_first(api):
    assert sign_in(api, "owner").status_code == 200
    assert code(sign_in(api, "second-owner")) == (403, "NO_ACCOUNT")


def owner():
    return wiring.account_store().user_by_email("owner@example.com")


def bearer(**asked):
    granted = wiring.grants().by_password("owner@example.com", PASSWORD, Origin(), **asked)
    return {"Authorization": f"Bearer {granted.access_token}"}


def enrol(api, headers):
    """Turn the owner's second factor on; gives its recovery codes."""
    device = pyotp.TOTP(api.post("/v1/auth/mfa", headers=headers).json()["data"]["secret"])
    confirmed = api.post("/v1/auth/mfa/confirm", headers=headers, json={"code": device.now()})
    return confirmed.json()["data"]["recovery_codes"]


def test_an_address_alone_is_no_way_around_a_second_factor(api):
    codes = enrol(api, bearer())
    assert code(sign_in(api, "owner")) == (403, "SECOND_FACTOR_FIRST")
    headers = bearer(recovery_code=codes[0])
    off = api.request("DELETE", "/v1/auth/mfa", headers=headers, json={"recovery_code": codes[1]})
    assert off.status_code == 204
    assert sign_in(api, "owner").status_code == 200
    enrol(api, headers)
    assert sign_in(api, "owner").status_code == 200


@pytest.mark.parametrize("proved", [False, True])
def test_what_was_set_up_under_an_address_that_was_never_proved_is_gone_when_its_owner_comes(api, proved):
    user = owner()
    store, records = wiring.credentials(), wiring.records()
    records.write(store.change(store.get(user.organization_id, user.id), email_proved=proved))
    theirs = bearer()
    caller = Caller(organization_id=user.organization_id, user_id=user.id, scopes=frozenset({"*"}))
    caller = caller.model_copy(update={"credential": "session"})
    key = wiring.key_issuer().create(caller, CreateKey(name="back door", scopes=("*",)))
    granted = sign_in(api, "owner")
    assert granted.status_code == 200, granted.text
    mine = {"Authorization": f"Bearer {granted.json()['access_token']}"}
    assert api.get("/v1/auth/sessions", headers=mine).status_code == 200
    assert (api.get("/v1/auth/sessions", headers=theirs).status_code == 200) == proved
    assert (wiring.key_store().get(user.organization_id, key.id) is not None) == proved
    kept = store.get(user.organization_id, user.id)
    assert (kept.password_hash is not None, kept.email_proved) == (proved, True)
    told = [item.values.get("action") for item in records.query(f"org#{user.organization_id}#audit").items]
    assert [told.count(each) for each in ("credentials.dropped", "key.revoked", "identity.linked")] == (
        [0, 0, 1] if proved else [1, 2, 1]
    )
    assert sign_in(api, "owner").status_code == 200


def test_a_way_back_is_gone_once(api):
    place = log_in(start(api), "owner")
    cookie = api.cookies[COOKIE]
    assert come_back(api, place).status_code == 200
    api.cookies.set(COOKIE, cookie, domain="testserver.local", path="/")
    assert code(come_back(api, place)) == (422, "INVALID_STATE")


def test_a_way_back_needs_the_browser_that_began_it(api):
    place = log_in(start(api), "owner")
    mine = api.cookies[COOKIE]
    api.cookies.clear()
    assert code(come_back(api, place)) == (422, "INVALID_STATE")
    start(api)
    assert api.cookies[COOKIE] != mine
    assert code(come_back(api, place)) == (422, "INVALID_STATE")


def test_a_way_back_needs_its_own_state(api):
    place = log_in(start(api), "owner")
    state = parse_qs(urlsplit(place).query)["state"][0]
    assert code(come_back(api, place.replace(state, "A" * 43))) == (422, "INVALID_STATE")
    assert code(come_back(api, place.replace(f"state={state}", ""))) == (422, "INVALID_STATE")


@pytest.mark.parametrize("changed", ["nonce", "verifier"])
def test_a_token_for_another_way_is_refused(api, changed):
    url = start(api)
    wiring.records().write(Update(journey(url), set={changed: "B" * 43}))
    assert code(come_back(api, log_in(url, "owner"))) == (401, "OIDC_REFUSED")


def test_who_is_turned_away_at_the_provider_is_turned_away_here(api):
    state = parse_qs(urlsplit(start(api)).query)["state"][0]
    refused = api.get("/v1/auth/oidc/callback", params={"state": state, "error": "access_denied"})
    assert code(refused) == (401, "OIDC_REFUSED")


def adapter(issuer: str, client_id: str = "ketbase", client_secret: str = "a-client-secret") -> OpenIdProvider:
    return OpenIdProvider(
        SystemClock(), issuer=issuer, client_id=client_id, client_secret=client_secret, redirect_uri=CALLBACK
    )


def brought_back(provider: OpenIdProvider) -> str:
    url = provider.address(state="S" * 43, nonce="N" * 43, verifier="V" * 43)
    return parse_qs(urlsplit(log_in(url, "owner")).query)["code"][0]


@pytest.mark.parametrize(("client_id", "secret"), [("ketbase", "a-client-secret"), ("ketbase-public", "")])
def test_a_code_is_exchanged_once_with_a_client_secret_and_without(issuer, client_id, secret):
    provider = adapter(issuer, client_id, secret)
    came = brought_back(provider)
    identity = provider.identify(code=came, nonce="N" * 43, verifier="V" * 43)
    assert (identity.issuer, identity.subject, identity.email) == (issuer, "owner", "owner@example.com")
    assert identity.email_verified
    with pytest.raises(UnauthenticatedError):
        provider.identify(code=came, nonce="N" * 43, verifier="V" * 43)


def test_a_token_for_somebody_else_is_refused(issuer):
    theirs = adapter(issuer, "somebody-else", "another-secret")
    came = brought_back(theirs)
    ours = adapter(issuer)
    configuration = theirs._configuration()
    with theirs._session() as session:
        token = session.fetch_token(configuration["token_endpoint"], code=came, code_verifier="V" * 43)
    theirs._verified(token["id_token"], "N" * 43)
    with pytest.raises(UnauthenticatedError):
        ours._verified(token["id_token"], "N" * 43)
    with pytest.raises(UnauthenticatedError):
        theirs._verified(token["id_token"], "M" * 43)
    head, body, signature = token["id_token"].split(".")
    spoiled = f"{head}.{body}.{'A' * len(signature)}"
    with pytest.raises(UnauthenticatedError):
        theirs._verified(spoiled, "N" * 43)


def test_keys_that_are_new_since_the_last_look_are_looked_up(issuer):
    provider = adapter(issuer)
    came = brought_back(provider)
    jwks = provider._configuration()["jwks_uri"]
    provider._keys()
    fetched_at, known = provider._cached[jwks]
    old = json.loads(json.dumps(known))
    for key in old["keys"]:
        key["kid"] = f"old-{key['kid']}"
    provider._cached[jwks] = (fetched_at, old)
    assert provider.identify(code=came, nonce="N" * 43, verifier="V" * 43).subject == "owner"


def test_a_provider_that_does_not_answer_or_names_itself_otherwise_is_unavailable(issuer):
    for other in (
        f"http://127.0.0.1:{free_port()}",
        issuer + "/",
        issuer.replace("127.0.0.1", "localhost"),
    ):
        with pytest.raises(UnavailableError):
            adapter(other).address(state="s", nonce="n", verifier="v")
