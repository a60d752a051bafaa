"""Who may call, and what they may do."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from ketbase.accounts.roles import Role, grants
from ketbase.money import Money
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
        limited: whether it is a key that expires or has a monthly limit.
        rate_limit: how many requests the credential may make at once; see `ketbase.auth.buckets`.
        origin: where the request came from.
    """

    organization_id: str
    user_id: str
    scopes: frozenset[str]
    role: Role = Role.OWNER
    credential: Credential = "key"
    credential_id: str = ""
    limited: bool = False
    rate_limit: int = 1_000
    origin: Origin = Origin()

    def may(self, scope: str) -> bool:
        """Say whether the caller's scopes grant `scope`."""
        return grants(self.scopes, scope)

    @property
    def key_id(self) -> str | None:
        """The API key that was shown, if one was."""
        return self.credential_id if self.credential == "key" and self.credential_id else None


class OrganizationSettings(Model):
    """What an organisation holds its own members to.

    Attributes:
        max_concurrent_jobs: how many of its jobs run at one moment, the others wait; `None`, as many as the
            installation allows.
        allowed_backends: the only ones its jobs may run on; `None`, all of them.
        enable_hardware: whether jobs may run on quantum hardware.
        slack_webhook: where messages to its Slack channel go, sealed.
    """

    max_concurrent_jobs: int | None = None
    allowed_backends: tuple[str, ...] | None = None
    enable_hardware: bool = False
    slack_webhook: str | None = None

    def concurrent_jobs(self, most: int) -> int:
        """Say how many of its jobs run at one moment, where the installation allows `most`."""
        return most if self.max_concurrent_jobs is None else min(self.max_concurrent_jobs, most)


class Organization(Model):
    """A tenant.

    Attributes:
        plan: what it was sold.
    """

    id: str
    name: str
    plan: str = "standard"
    settings: OrganizationSettings = OrganizationSettings()
    created_at: Moment
    updated_at: Moment


type ToldOf = Literal["none", "failed", "all"]


class Notifications(Model):
    """How a user wants to be told things, and of which of their own jobs they want to hear when they end."""

    email: bool = True
    slack: bool = False
    jobs: ToldOf = "none"


class Preferences(Model):
    """How a user likes things.

    Attributes:
        default_backend: what a job of theirs runs on that names no backend.
    """

    default_backend: str | None = None
    notifications: Notifications = Notifications()


class User(Model):
    """A person of an organisation.

    Attributes:
        email: `None` for the first owner, until they choose one.
        monthly_limit: what their jobs may cost in a month; `None`, as much as the organisation's may.
    """

    id: str
    organization_id: str
    email: str | None = None
    name: str
    role: Role
    preferences: Preferences = Preferences()
    monthly_limit: Money | None = None
    created_at: Moment
    updated_at: Moment


class KeyRecord(Model):
    """What is kept of an API key: never the key, only its hash as the item's place.

    Attributes:
        hint: the key with all but its beginning and its last four characters hidden.
        scopes: what was granted; what its owner may no longer do, it may no longer do either.
        rate_limit: how many requests it may make at once.
        monthly_limit: what jobs submitted with it may cost in a month.
    """

    id: str
    organization_id: str
    user_id: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    rate_limit: int = 1_000
    monthly_limit: Money | None = None
    expires_at: Moment | None = None
    created_at: Moment
