"""A house with one organisation in it, a clock that stands still, and Argon2 so cheap that tests do not wait for it."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from argon2.profiles import CHEAPEST

from ketbase.accounts.keys import Keys
from ketbase.accounts.keystore import KeyStore
from ketbase.accounts.roles import Role, scopes_of
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller, Organization, Origin, User
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.audit import layout as audit_layout
from ketbase.auth.buckets import Buckets
from ketbase.auth.credentials import CredentialStore
from ketbase.auth.grants import Grants
from ketbase.auth.mfa import Mfa
from ketbase.auth.own_sessions import OwnSessions
from ketbase.auth.password_changes import PasswordChanges
from ketbase.auth.passwords import Passwords
from ketbase.auth.second_factor import SecondFactor
from ketbase.auth.sessions import Sessions
from ketbase.auth.signing_keys import SigningKeys
from ketbase.auth.throttle import Throttle
from ketbase.auth.tokens import AccessTokens
from ketbase.auth.types import ConfirmFactor
from ketbase.notices import outbox
from ketbase.ports.records import Index
from ketbase.vault import Vault
from tests.fakes import TurnedClock

ADDRESS, PASSWORD = "ada@example.com", "correct horse battery"
HERE = Origin(address="203.0.113.7", agent="test", request_id="req_1")


class Meanwhile:
    """A store in which something happens between the first read and what follows from it."""

    def __init__(self, records, happens):
        self._records = records
        self._happens = happens

    def get(self, key):
        found = self._records.get(key)
        happens, self._happens = self._happens, lambda: None
        happens()
        return found

    def __getattr__(self, name):
        return getattr(self._records, name)


@dataclass
class House:
    """Everything of auth, wired as in an installation, and Ada, who is a developer."""

    path: Path
    passwords: Passwords = field(default_factory=lambda: Passwords(CHEAPEST))
    tries: int = 10

    def __post_init__(self) -> None:
        self.clock = clock = TurnedClock()
        self.records = records = SqliteRecords(self.path, clock)
        self.accounts = AccountStore(records)
        self.credentials = CredentialStore(records)
        vault = Vault(["a secret of the installation"])
        self.second_factor = SecondFactor(lambda: vault)
        self.sessions = Sessions(records, clock, idle=timedelta(hours=24), longest=timedelta(days=30))
        self.signing_keys = SigningKeys(records, lambda: vault, clock)
        self.tokens = AccessTokens(self.signing_keys, clock, issuer="https://api.example.com", leeway_s=30)
        self.buckets = Buckets(records, clock)
        self.key_store = KeyStore(records)
        self.keys = Keys(self.key_store, self.accounts, clock)
        throttle = Throttle(self.buckets, self.tries)
        people = (records, clock, self.accounts, self.credentials, self.passwords)
        self.grants = Grants(*people, self.second_factor, self.sessions, self.tokens, throttle)
        self.own_sessions = OwnSessions(self.sessions, self.tokens, clock)
        self.mfa = Mfa(*people[:-1], self.second_factor, throttle)
        self.password_changes = PasswordChanges(
            *people, self.sessions, throttle, public_url="https://api.example.com"
        )
        self.ada = self.move_in("user_ada", ADDRESS, PASSWORD)

    def move_in(self, user_id: str, email: str, password: str | None, organization_id: str = "org_a") -> User:
        now = self.clock.now()
        user = User(
            id=user_id,
            organization_id=organization_id,
            email=email,
            name=user_id,
            role=Role.DEVELOPER,
            created_at=now,
            updated_at=now,
        )
        if self.accounts.organization(organization_id) is None:
            organization = Organization(id=organization_id, name="A", created_at=now, updated_at=now)
            self.records.write(self.accounts.new_organization(organization))
        self.records.write(
            self.accounts.new_user(user),
            self.accounts.claim_email(email, user),
            self.credentials.first(organization_id, user_id, password and self.passwords.hash(password)),
        )
        return user

    def sign_in(self, **more: str):
        return self.grants.by_password(ADDRESS, PASSWORD, HERE, **more)

    def caller(self, granted=None) -> Caller:
        claims = self.tokens.verify((granted or self.sign_in()).access_token)
        return Caller(
            organization_id=claims.org_id,
            user_id=claims.sub,
            scopes=scopes_of(Role.DEVELOPER),
            credential="session",
            credential_id=claims.sid,
            origin=HERE,
        )

    def enrol(self) -> tuple[pyotp.TOTP, tuple[str, ...]]:
        """Turn Ada's second factor on."""
        caller = self.caller()
        device = pyotp.TOTP(self.mfa.enrol(caller).secret)
        return device, self.mfa.confirm(caller, ConfirmFactor(code=self.code(device))).recovery_codes

    def code(self, device: pyotp.TOTP, steps: int = 0) -> str:
        return device.at(int(self.clock.now().timestamp()) + steps * 30)

    def told(self) -> list[str]:
        """The actions in the audit log, in order."""
        items = self.records.query(audit_layout.partition("org_a"), prefix="line#").items
        return [item.values["action"] for item in items]

    def mails(self) -> list[dict]:
        return [item.values for item in self.records.query(outbox.WAITING, index=Index.WORK).items]


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "records.db")
    yield made
    made.records.close()


@pytest.fixture
def clock():
    return TurnedClock()


@pytest.fixture
def records(tmp_path, clock):
    store = SqliteRecords(tmp_path / "other.db", clock)
    yield store
    store.close()


@pytest.fixture(scope="session")
def passwords():
    return Passwords(CHEAPEST)
