"""A whole life of an account leaves no secret where it does not belong: in logs, answers, the audit log or records."""

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp
import pytest
from httpx2 import Response

from tests.e2e.installation import PASSWORD, Installation, Member, found, installation, log_lines

TOKEN = re.compile(r"^[\w-]{32,}$", re.MULTILINE)
LOOKS_SECRET = re.compile(
    r"qsk_(live|test|dev)_[A-Za-z0-9]{24}|eyJ[\w-]{10,}\.[\w-]{10,}|\$argon2|otpauth://\S*secret=|-----BEGIN"
)
OTP = re.compile(r"\b(?:otp|code|password|token)=[^&\s\"]+")


@dataclass
class Life:
    """What happened: everything secret, by what it is, and everything that was told.

    Attributes:
        told: answers that give no secret away by design, with what was asked.
    """

    secrets: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, Response]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    printed: str = ""

    def keep(self, what: str, value: str) -> str:
        """Remember a secret."""
        self.secrets[what] = value
        return value

    def shown_in(self, text: str) -> list[str]:
        """Name the secrets that a text shows."""
        return [what for what, value in self.secrets.items() if value in text]


class Person:
    """Lives through everything that has to do with secrets."""

    def __init__(self, house: Installation, life: Life):
        self.house = house
        self.life = life

    def ask(self, method: str, path: str, credential: dict[str, str] | None = None, **asked: Any) -> Response:
        """Call where no secret is in the answer."""
        answer = self.house.call(method, path, credential, **asked)
        self.life.told.append((f"{method} {path}", answer))
        return answer

    def sign_in(self, email: str, **said: str) -> Response:
        return self.house.call("POST", "/v1/auth/token", data={"grant_type": "password", "username": email, **said})

    def tokens(self, name: str, answer: Response) -> dict[str, str]:
        assert answer.status_code == 200, answer.text
        granted = answer.json()
        self.life.keep(f"{name}: access token", granted["access_token"])
        self.life.keep(f"{name}: refresh token", granted["refresh_token"])
        return {"Authorization": f"Bearer {granted['access_token']}"}

    def live(self) -> None:
        owner = found(self.house)
        self.life.keep("password", PASSWORD)
        session = self.tokens("first session", self.sign_in(owner.email, password=PASSWORD))
        self.guess(owner)
        self.refresh(owner)
        self.use_keys(owner, session)
        self.set_a_webhook(session)
        self.invite(owner)
        self.send_nonsense(owner, session)
        session = self.change_the_password(owner, session)
        session = self.recover(owner)
        self.use_a_second_factor(owner, session)
        self.ask("GET", "/v1/audit", session)

    def guess(self, owner: Member) -> None:
        wrong = self.life.keep("wrong password", "wrong horse battery staple")
        for email in (owner.email, "nobody@example.com"):
            answer = self.ask(
                "POST", "/v1/auth/token", data={"grant_type": "password", "username": email, "password": wrong}
            )
            assert answer.status_code == 400

    def refresh(self, owner: Member) -> None:
        granted = self.sign_in(owner.email, password=PASSWORD).json()
        spent = self.life.keep("spent refresh token", granted["refresh_token"])
        body = {"grant_type": "refresh_token", "refresh_token": spent}
        self.tokens("refreshed session", self.house.call("POST", "/v1/auth/token", data=body))
        assert self.ask("POST", "/v1/auth/token", data=body).status_code == 400
        self.ask("POST", "/v1/auth/revoke", data={"token": spent})

    def use_keys(self, owner: Member, session: dict[str, str]) -> None:
        made = owner.new_key(["*"])
        key = self.life.keep("key", made["key"])
        self.life.keep("hash of the key", hashlib.sha256(key.encode()).hexdigest())
        for credential in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
            assert self.ask("GET", "/v1/circuits", credential).status_code == 200
        unknown = self.life.keep("unknown key", "qsk_live_unknownUnknownUnknown12")
        assert self.ask("GET", "/v1/circuits", {"X-API-Key": unknown}).status_code == 401
        self.ask("GET", "/v1/circuits", {"X-API-Key": "malformed key that is secret"})
        self.life.keep("malformed key", "malformed key that is secret")
        self.ask("GET", "/v1/circuits", {"Authorization": "Bearer half.a.token.that.is.secret"})
        self.life.keep("malformed token", "half.a.token.that.is.secret")
        assert self.ask("GET", "/v1/api-keys", session).status_code == 200
        assert self.ask("DELETE", f"/v1/api-keys/{made['id']}", session).status_code == 204
        assert self.ask("GET", "/v1/circuits", {"X-API-Key": key}).status_code == 401

    def set_a_webhook(self, session: dict[str, str]) -> None:
        webhook = self.life.keep("webhook", "https://hooks.slack.com/services/T000/B000/verysecretwebhook")
        answer = self.ask("PATCH", "/v1/organization", session, json={"settings": {"slack_webhook": webhook}})
        assert answer.status_code == 200, answer.text
        self.ask("GET", "/v1/organization", session)

    def invite(self, owner: Member) -> None:
        email = "guest@example.com"
        assert self.ask("POST", "/v1/users", owner.session, json={"email": email, "role": "viewer"}).is_success
        token = self.life.keep("invitation token", TOKEN.findall(self.house.mails(email)[-1])[0])
        password = self.life.keep("guest's password", "quite another battery staple")
        body = {"token": token, "name": "Guest", "password": password}
        assert self.ask("POST", "/v1/invitations/accept", json=body).status_code == 201
        assert self.ask("POST", "/v1/invitations/accept", json=body).status_code in (404, 409, 410, 422)
        self.ask("GET", "/v1/invitations", owner.session)

    def send_nonsense(self, owner: Member, session: dict[str, str]) -> None:
        """Send secrets in bodies that do not validate: what is told of the mistake tells nothing of them."""
        weak = self.life.keep("weak password", "sh0rt-pw")
        body = {"organization_name": "x", "name": "y", "email": "z@example.com"}
        self.ask("POST", "/v1/organizations", json={**body, "password": weak})
        long = self.life.keep("long password", "l0ng-" * 60)
        self.ask("POST", "/v1/organizations", json={**body, "password": long})
        number = self.life.keep("password as a number", "8273645019283")
        self.ask("POST", "/v1/organizations", json={**body, "password": int(number)})
        self.ask("POST", "/v1/auth/password", session, json={"old_password": int(number), "new_password": long})
        extra = self.life.keep("secret under another name", "secret-under-another-name")
        self.ask("POST", "/v1/organizations", json={**body, "password": PASSWORD, "passwort": extra})
        self.ask("POST", "/v1/auth/token", data={"grant_type": "password", "password": PASSWORD})
        self.ask(
            "POST", "/v1/auth/token", data={"grant_type": extra, "password": PASSWORD, "refresh_token": long * 3}
        )
        broken = f'{{"email": "{owner.email}", "password": "{PASSWORD}"'
        self.ask("POST", "/v1/organizations", content=broken, headers={"Content-Type": "application/json"})
        lost = self.life.keep("token in a query", "token-in-a-query-that-is-secret")
        self.ask("GET", f"/v1/auth/oidc/callback?state={lost}&code={lost}")
        self.ask("GET", f"/v1/circuits?access_token={lost}&tags=x", session)
        self.ask("GET", f"/nowhere?token={lost}")
        self.ask("POST", "/v1/auth/password/reset", json={"token": lost, "new_password": long[:100]})

    def change_the_password(self, owner: Member, session: dict[str, str]) -> dict[str, str]:
        new = self.life.keep("changed password", "an entirely new battery staple")
        body = {"old_password": PASSWORD, "new_password": new}
        assert self.ask("POST", "/v1/auth/password", session, json=body).status_code == 204
        return self.tokens("session after a change", self.sign_in(owner.email, password=new))

    def recover(self, owner: Member) -> dict[str, str]:
        self.ask("POST", "/v1/auth/password/forgot", json={"email": owner.email})
        token = self.life.keep("reset token", TOKEN.findall(self.house.mails(owner.email)[-1])[0])
        new = self.life.keep("recovered password", "a recovered battery staple")
        answer = self.ask("POST", "/v1/auth/password/reset", json={"token": token, "new_password": new})
        assert answer.status_code == 204, answer.text
        return self.tokens("session after a recovery", self.sign_in(owner.email, password=new))

    def use_a_second_factor(self, owner: Member, session: dict[str, str]) -> None:
        enrolled = self.house.data_of("POST", "/v1/auth/mfa", session)
        secret = self.life.keep("TOTP secret", enrolled["secret"])
        device = pyotp.TOTP(secret)
        wrong = self.ask("POST", "/v1/auth/mfa/confirm", session, json={"code": "000000"})
        assert wrong.status_code in (400, 401, 403, 409, 422)
        now = self.house.clock.now()
        confirmed = self.house.data_of("POST", "/v1/auth/mfa/confirm", session, json={"code": device.at(now)})
        for number, code in enumerate(confirmed["recovery_codes"]):
            self.life.keep(f"recovery code {number}", code)
        password = self.life.secrets["recovered password"]
        assert self.sign_in(owner.email, password=password).status_code in (400, 403)
        code = confirmed["recovery_codes"][0]
        session = self.tokens(
            "session by recovery code", self.sign_in(owner.email, password=password, recovery_code=code)
        )
        code = confirmed["recovery_codes"][1]
        self.ask("DELETE", "/v1/auth/mfa", session, json={"recovery_code": code})


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("secrets")) as made:
        yield made


@pytest.fixture(scope="module")
def life(house: Installation) -> Life:
    lived = Life()
    with log_lines() as lines:
        Person(house, lived).live()
        for folder in ("ops/deliver", "ops/seal", "ops/sweep"):
            house.functions[folder].handler({}, None)
        lived.lines += lines
    assert len(lived.secrets) > 25
    assert len(lived.lines) > 50
    return lived


def test_no_log_line_shows_a_secret(life: Life) -> None:
    shown = {what: line for line in life.lines for what in life.shown_in(line)}
    assert shown == {}


def test_no_log_line_looks_like_it_shows_one(life: Life) -> None:
    assert [line for line in life.lines if LOOKS_SECRET.search(line) or OTP.search(line)] == []
    assert [line for line in life.lines if "authorization" in line.lower() or "x-api-key" in line.lower()] == []


def test_log_lines_keep_what_a_route_is_about_and_leave_out_queries(life: Life) -> None:
    assert any('"key_id":"key_' in line for line in life.lines)
    assert not any("?" in line and "=" in line.partition("?")[2].partition('"')[0] for line in life.lines)


def test_no_answer_says_a_secret_again(life: Life) -> None:
    shown = {
        f"{what}, by {asked}": answer.text for asked, answer in life.told for what in life.shown_in(answer.text)
    }
    assert shown == {}
    shown = {asked: str(dict(a.headers)) for asked, a in life.told if life.shown_in(str(dict(a.headers)))}
    assert shown == {}


def test_nothing_that_is_kept_is_a_secret_that_can_be_read(house: Installation, life: Life) -> None:
    """The hash of a key and the webhook are what is kept of them; the latter has to be sent to."""
    with sqlite3.connect(house.data / "records.db") as database:
        rows = [" ".join(map(str, row)) for row in database.execute("SELECT * FROM items")]
    kept = {"hash of the key", "webhook"}
    assert {what: row for row in rows for what in life.shown_in(row) if what not in kept} == {}


def test_nothing_that_is_archived_shows_a_secret(house: Installation, life: Life) -> None:
    blobs = [path for path in Path(house.data / "blobs").rglob("*") if path.is_file()]
    assert blobs
    assert {what: path.name for path in blobs for what in life.shown_in(path.read_text())} == {}


def test_the_document_and_its_examples_show_no_secret(house: Installation, life: Life) -> None:
    text = house.call("GET", "/openapi.json").text + str(house.document)
    assert LOOKS_SECRET.search(text) is None
    examples_of_passwords = {"password"}
    assert [what for what in life.shown_in(text) if what not in examples_of_passwords] == []
