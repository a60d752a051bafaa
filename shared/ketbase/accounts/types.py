"""Who may call, and what they may do."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from ketbase.accounts.roles import Role, grants
from ketbase.types import Model, Moment

KEY_PATTERN = r"^qsk_(live|test|dev)_[A-Za-z0-9]{24}$"

type ApiKey = Annotated[str, StringConstraints(pattern=KEY_PATTERN)]


type Credential = Literal["key", "session"]


class Origin(Model):
    """Where a request came from."""

    address: str = ""
    agent: str = ""
    request_id: str = ""


class Caller(Model):
    """Whoever makes a request: services take one as their first argument and show it nothing of others.

    Attributes:
        scopes: such as `circuits:read`; `circuits:*` grants every action on circuits and `*` everything.
        role: of the person behind the credential.
        credential: what they showed: an API key, or a session that they signed in to.
        credential_id: of the key (`key_…`) or the session (`session_…`).
        rate_limit: how many requests the credential may make at once; see `ketbase.auth.buckets`.
        origin: where the request came from.
    """

    organization_id: str
    user_id: str
    scopes: frozenset[str]
    role: Role = Role.OWNER
    credential: Credential = "key"
    credential_id: str = ""
    rate_limit: int = 1_000
    origin: Origin = Origin()

    def may(self, scope: str) -> bool:
        """Say whether the caller's scopes grant `scope`."""
        return grants(self.scopes, scope)

    @property
    def key_id(self) -> str | None:
        """The API key that was shown, if one was."""
        return self.credential_id if self.credential == "key" and self.credential_id else None


class Organization(Model):
    """A tenant."""

    id: str
    name: str
    created_at: Moment


class User(Model):
    """A person of an organisation."""

    id: str
    organization_id: str
    name: str
    role: str
    created_at: Moment


class KeyRecord(Model):
    """What is kept of an API key: never the key, only its hash as the item's place."""

    organization_id: str
    user_id: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    created_at: Moment
