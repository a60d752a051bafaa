"""A small town: the services of accounts over one store, and people in it."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from argon2.profiles import CHEAPEST

from ketbase.accounts.invitations import Invitations
from ketbase.accounts.invitationstore import InvitationStore
from ketbase.accounts.issuing import KeyIssuer
from ketbase.accounts.joining import Joining
from ketbase.accounts.keys import Keys
from ketbase.accounts.keystore import KeyStore
from ketbase.accounts.organizations import Organizations
from ketbase.accounts.requests import AcceptInvitation, CreateKey, InviteUser, SignUp
from ketbase.accounts.roles import Role, scopes_of
from ketbase.accounts.signup import SignUps
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller, Origin
from ketbase.accounts.users import Users
from ketbase.accounts.views import SignedUp
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.audit import layout as audit_layout
from ketbase.auth.buckets import Buckets
from ketbase.auth.credentials import CredentialStore
from ketbase.auth.passwords import Passwords
from ketbase.auth.sessions import Sessions
from ketbase.notices import outbox
from ketbase.paging import PageRequest
from ketbase.ports.records import Index
from ketbase.vault import Vault
from tests.fakes import TurnedClock, books

PASSWORD = "correct horse battery staple"
EVERYTHING = PageRequest(limit=100)
SOMEWHERE = Origin(address="203.0.113.7", agent="curl", request_id="req_1")


@dataclass
class Town:
    """Everything of accounts, wired as in an installation that is open to sign-up."""

    path: Path
    clock: TurnedClock = field(default_factory=TurnedClock)

    def __post_init__(self) -> None:
        clock = self.clock
        self.records = records = SqliteRecords(self.path, clock)
        self.store = AccountStore(records)
        self.key_store = KeyStore(records)
        self.invitation_store = InvitationStore(records)
        self.credentials = CredentialStore(records)
        self.passwords = Passwords(CHEAPEST)
        self.sessions = Sessions(records, clock, idle=timedelta(hours=24), longest=timedelta(days=30))
        self.ledger = books(records, clock)
        self.vault = Vault(["a secret of the installation"])
        self.keys = Keys(self.key_store, self.store, clock)
        self.sign_ups = self.sign_up_desk(is_open=True)
        self.organizations = Organizations(
            records,
            self.store,
            self.key_store,
            lambda: self.vault,
            clock,
            most_concurrent_jobs=10,
            webhook_hosts=("hooks.slack.com",),
        )
        self.users = Users(records, self.store, self.key_store, self.credentials, self.sessions, self.ledger, clock)
        self.invitations = Invitations(
            records,
            self.store,
            self.invitation_store,
            Buckets(records, clock),
            clock,
            public_url="https://api.example.com",
            most_a_day=50,
        )
        self.joining = Joining(
            records,
            self.store,
            self.invitation_store,
            self.key_store,
            self.credentials,
            self.passwords,
            clock,
        )
        self.issuer = KeyIssuer(
            records, self.store, self.key_store, self.ledger, clock, environment="dev", most_requests=10_000
        )

    def sign_up_desk(self, *, is_open: bool) -> SignUps:
        """Sign-up, open or closed."""
        buckets = Buckets(self.records, self.clock)
        return SignUps(
            self.records,
            self.store,
            self.credentials,
            self.passwords,
            buckets,
            self.clock,
            is_open=is_open,
            most_concurrent_jobs=10,
        )

    def found(self, email: str = "olga@example.com", name: str = "Acme") -> Caller:
        """An organisation; its owner, signed in."""
        made = self.sign_up(email, name)
        return self.session(made.organization.id, made.user.id)

    def sign_up(self, email: str, name: str = "Acme") -> SignedUp:
        """Sign up from an address of one's own."""
        body = SignUp(organization_name=name, name="Olga", email=email, password=PASSWORD)
        return self.sign_ups.sign_up(Origin(address=email), body)

    def join(self, host: Caller, email: str, role: Role) -> Caller:
        """Somebody who was invited and came; signed in."""
        self.clock.turn(1)  # so that this mail is the newest
        self.invitations.invite(host, InviteUser(email=email, role=role))
        token = self.token(email)
        user = self.joining.accept(SOMEWHERE, AcceptInvitation(token=token, name="New", password=PASSWORD))
        return self.session(host.organization_id, user.id)

    def session(self, organization_id: str, user_id: str) -> Caller:
        """The caller that a session of this user makes now."""
        user = self.store.user(organization_id, user_id)
        assert user is not None
        return Caller(
            organization_id=organization_id,
            user_id=user_id,
            scopes=scopes_of(user.role),
            role=user.role,
            credential="session",
            credential_id="session_1",
            origin=SOMEWHERE,
        )

    def key(self, owner: Caller, *scopes: str, **fields: object) -> str:
        """A key of somebody's."""
        return self.issuer.create(owner, CreateKey(name="CI", scopes=scopes, **fields)).key

    def token(self, email: str) -> str:
        """The token in the newest mail to an address."""
        text = next(text for to, text in reversed(self.mails()) if to == email)
        return text.split("\n\n")[2]

    def mails(self) -> list[tuple[str, str]]:
        """The mails that wait, the oldest first: to whom, and what they say."""
        page = self.records.query(outbox.WAITING, index=Index.WORK)
        return [(item.values["to"], item.values["text"]) for item in page.items]

    def audited(self, organization_id: str) -> set[str]:
        """What the audit log says was done."""
        page = self.records.query(audit_layout.partition(organization_id), prefix="line#")
        return {item.values["action"] for item in page.items}

    def details(self, organization_id: str, action: str) -> dict[str, object]:
        """The details of the newest line about an action."""
        page = self.records.query(audit_layout.partition(organization_id), prefix="line#", descending=True)
        return next(item.values["details"] for item in page.items if item.values["action"] == action)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path / "records.db")
