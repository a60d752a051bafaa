"""`ketbase login` against a server that listens."""

import json
import re
import stat
import threading
import time

import pyotp
import pytest
import uvicorn
from argon2.profiles import CHEAPEST
from typer.testing import CliRunner

from ketbase.accounts.types import Origin
from ketbase.auth.passwords import Passwords
from ketbase.local import profile
from ketbase.local.cli import app
from ketbase.local.template import home, read_template
from ketbase.runtime import wiring
from ketbase.runtime.http import application
from ketbase.runtime.settings import settings
from tests.servers import free_port

EMAIL, PASSWORD = "owner@example.com", "correct horse battery"


@pytest.fixture(scope="module")
def routers():
    functions = read_template(home()).functions.values()
    wanted = ("auth", "keys", "users")
    return [each.load().router for each in functions if each.route and each.path.parent.parent.name in wanted]


@pytest.fixture
def url(tmp_path, monkeypatch, routers):
    monkeypatch.setenv("KETBASE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    forget()
    monkeypatch.setattr(wiring, "passwords", lambda: Passwords(CHEAPEST))
    wiring.founding().found()
    wiring.first_owner().sign_in_with(EMAIL, PASSWORD)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(application(*routers), port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)
    forget()


def forget():
    settings.cache_clear()
    for made in list(vars(wiring).values()):
        if hasattr(made, "cache_clear"):
            made.cache_clear()


def ketbase(*arguments, typed=""):
    return CliRunner().invoke(app, arguments, input=typed)


def test_a_login_keeps_a_key_that_a_logout_revokes(url):
    done = ketbase("login", "--url", url, typed=f"{EMAIL}\n{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    assert "owner" in done.output
    kept = profile.read()
    key = kept.key.get_secret_value()
    assert key not in done.output
    assert key not in repr(kept)
    assert stat.S_IMODE(profile.path().stat().st_mode) == 0o600
    assert list(wiring.sessions().of_user(wiring.account_store().user_by_email(EMAIL).id)) == []
    assert EMAIL in ketbase("whoami").output

    assert ketbase("logout").exit_code == 0
    assert not profile.path().exists()
    with pytest.raises(Exception, match="revoked"):
        wiring.keys().authenticate(key, Origin())
    assert ketbase("whoami").exit_code == 1
    assert ketbase("logout").exit_code == 1


def test_a_second_login_revokes_the_key_of_the_first(url):
    keys = []
    for _ in range(2):
        assert ketbase("login", "--url", url, "--email", EMAIL, typed=f"{PASSWORD}\n").exit_code == 0
        keys.append(profile.read().key.get_secret_value())
    with pytest.raises(Exception, match="revoked"):
        wiring.keys().authenticate(keys[0], Origin())
    wiring.keys().authenticate(keys[1], Origin())


def test_a_wrong_password_keeps_nothing(url):
    done = ketbase("login", "--url", url, "--email", EMAIL, typed="wrong\n")
    assert done.exit_code == 1
    assert "wrong" in done.output
    assert not profile.path().exists()


def test_a_login_asks_for_the_code_where_there_is_a_second_factor(url):
    owner = wiring.account_store().user_by_email(EMAIL)
    known = wiring.credentials().get(owner.organization_id, owner.id)
    secret = pyotp.random_base32()
    wiring.records().write(wiring.credentials().change(known, totp_secret=wiring.vault().seal(secret)))
    typed = f"{PASSWORD}\n{pyotp.TOTP(secret).now()}\n"
    done = ketbase("login", "--url", url, "--email", EMAIL, typed=typed)
    assert done.exit_code == 0, done.output


def test_a_login_in_a_browser_takes_what_the_browser_shows(url):
    tokens = wiring.grants().by_password(EMAIL, PASSWORD, Origin()).model_dump()
    done = ketbase("login", "--url", url, "--oidc", typed=json.dumps(tokens) + "\n")
    assert done.exit_code == 0, done.output
    assert f"{url}/v1/auth/oidc/start" in done.output
    assert tokens["access_token"] not in done.output


def test_no_password_goes_over_an_open_line():
    done = ketbase("login", "--url", "http://api.example.com", "--email", EMAIL, typed="x\n")
    assert done.exit_code == 1
    assert "https" in done.output
    assert "Password" not in done.output


def test_a_server_that_does_not_answer_is_named(url):
    done = ketbase("login", "--url", f"http://127.0.0.1:{free_port()}", "--email", EMAIL, typed="x\n")
    assert done.exit_code == 1
    assert "does not answer" in done.output


def test_an_operator_rotates_the_signing_keys(url):
    before = wiring.signing_keys().signer()[0]
    done = ketbase("auth", "rotate-keys")
    made = re.match(r"(signing_\w+) signs now", done.output)[1]
    assert before != made
    assert [key["kid"] for key in wiring.signing_keys().published()] == [made, before]
