"""The four roles: each may do what the one below it may, and more."""

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Final

from ketbase.errors import InvalidError


class Role(StrEnum):
    """What a person is in an organisation, the least first."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """0 for a viewer, 3 for an owner."""
        return list(Role).index(self)


_ADDED: Final[dict[Role, frozenset[str]]] = {
    Role.VIEWER: frozenset(
        {
            "backends:read",
            "circuits:read",
            "datasets:read",
            "jobs:read",
            "models:read",
            "organization:read",
            "usage:read",
            "vectors:read",
        }
    ),
    Role.DEVELOPER: frozenset(
        {
            "circuits:delete",
            "circuits:write",
            "datasets:write",
            "heartbeats:write",
            "jobs:cancel",
            "jobs:submit",
            "models:deploy",
            "models:predict",
            "vectors:write",
        }
    ),
    Role.ADMIN: frozenset({"audit:read", "billing:*", "keys:*", "settings:*", "users:*"}),
    Role.OWNER: frozenset({"organization:delete"}),
}
"""What each role may do that the one below it may not."""

_ACTIONS: Final[dict[str, frozenset[str]]] = {
    "billing": frozenset({"read", "write"}),
    "keys": frozenset({"read", "write"}),
    "settings": frozenset({"read", "write"}),
    "users": frozenset({"read", "write"}),
}
"""What the roles' wildcards stand for."""


def scopes_of(role: Role) -> frozenset[str]:
    """Name all that a role may do, wildcards as they are."""
    return frozenset().union(*(_ADDED[each] for each in Role if each.rank <= role.rank))


def _known() -> frozenset[str]:
    every = scopes_of(Role.OWNER)
    exact = {scope for scope in every if not scope.endswith(":*")}
    return frozenset(
        exact | {f"{resource}:{action}" for resource, actions in _ACTIONS.items() for action in actions}
    )


SCOPES: Final = _known()
"""Every scope that a route may ask for, without wildcards."""


def grants(held: Iterable[str], scope: str) -> bool:
    """Say whether the held scopes, which may hold wildcards, grant one scope without a wildcard."""
    resource, _, _ = scope.partition(":")
    return not {scope, f"{resource}:*", "*"}.isdisjoint(held)


def expand(scope: str) -> frozenset[str]:
    """Name what a scope, perhaps a wildcard, stands for.

    Raises:
        InvalidError: `UNKNOWN_SCOPE`, with the scopes there are.
    """
    resource, _, action = scope.partition(":")
    if scope == "*":
        return SCOPES
    meant = frozenset(
        each for each in SCOPES if each == scope or (action == "*" and each.startswith(f"{resource}:"))
    )
    if not meant:
        raise InvalidError(
            "UNKNOWN_SCOPE", f"There is no scope {scope!r}.", scope=scope, scopes=sorted(SCOPES), field="scopes"
        )
    return meant


def narrowed(held: Iterable[str], asked: Iterable[str]) -> frozenset[str]:
    """Give what is in both: of the scopes `asked`, wildcards resolved, those that `held` grants."""
    return _narrowed(frozenset(held), frozenset(asked))


@lru_cache(maxsize=256)
def _narrowed(held: frozenset[str], asked: frozenset[str]) -> frozenset[str]:
    """Every request asks this, and nearly always the same."""
    return frozenset(scope for each in asked for scope in expand(each) if grants(held, scope))
