"""Who may call, and what they may do."""

from typing import Annotated

from pydantic import StringConstraints

from ketbase.types import Model, Moment

KEY_PATTERN = r"^qsk_(live|test|dev)_[A-Za-z0-9]{24}$"

type ApiKey = Annotated[str, StringConstraints(pattern=KEY_PATTERN)]


class Caller(Model):
    """Whoever makes a request: services take one as their first argument and show it nothing of others.

    Attributes:
        scopes: such as `circuits:read`; `circuits:*` grants every action on circuits and `*` everything.
    """

    organization_id: str
    user_id: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Say whether the caller's scopes grant `scope`."""
        resource, _, _ = scope.partition(":")
        return not self.scopes.isdisjoint((scope, f"{resource}:*", "*"))


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
