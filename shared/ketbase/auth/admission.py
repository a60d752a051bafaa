"""Decides who is calling, by what they show, and whether it is their turn."""

from collections.abc import Callable
from typing import Protocol

from ketbase.accounts import layout
from ketbase.accounts.keys import Keys
from ketbase.accounts.roles import SCOPES, narrowed, scopes_of
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller, Origin
from ketbase.auth import credentials, sessions
from ketbase.auth.buckets import Allowance, Buckets, Rate
from ketbase.auth.claims import Claims
from ketbase.errors import UnauthenticatedError
from ketbase.ports.records import Item

SESSION_RATE_LIMIT = 1_000
"""Requests that a person may make at once, over all of their sessions."""
KEY_PREFIX = "qsk_"


class TokenReader(Protocol):
    """Reads access tokens."""

    def verify(self, token: str) -> Claims:
        """Read a token that is good now.

        Raises:
            UnauthenticatedError: it is not.
        """


class Admission:
    """Lets callers in."""

    def __init__(
        self, keys: Keys, tokens: Callable[[], TokenReader], accounts: AccountStore, buckets: Buckets
    ) -> None:
        """Wire the admission; the tokens are asked for when one is shown, for their libraries take time to load."""
        self._keys = keys
        self._tokens = tokens
        self._accounts = accounts
        self._buckets = buckets

    def by_key(self, key: str, origin: Origin) -> tuple[Caller, Allowance]:
        """Admit whoever holds an API key.

        Raises:
            UnauthenticatedError: the key is not good.
            EmptyBucketError: `RATE_LIMITED`.
        """
        caller, bucket = self._keys.authenticate_and(key, origin)
        return caller, self._buckets.take(caller.credential_id, Rate.of_requests(caller.rate_limit), bucket)

    def by_bearer(self, shown: str, origin: Origin) -> tuple[Caller, Allowance]:
        """Admit whoever holds an access token, or an API key sent in its place.

        Raises:
            UnauthenticatedError: what was shown is not good.
            EmptyBucketError: `RATE_LIMITED`.
        """
        if shown.startswith(KEY_PREFIX):
            return self.by_key(shown, origin)
        caller, bucket = self._signed_in(self._tokens().verify(shown), origin)
        return caller, self._buckets.take(caller.user_id, Rate.of_requests(caller.rate_limit), bucket)

    def _signed_in(self, claims: Claims, origin: Origin) -> tuple[Caller, Item | None]:
        """Find the user behind a token, as they are now: a removed user and an ended session end the token too."""
        session, bucket = sessions.place(claims.sub, claims.sid), layout.bucket(claims.sub)
        held = credentials.place(claims.org_id, claims.sub)
        user, found = self._accounts.user_and(claims.org_id, claims.sub, session, bucket, held)
        opened = found.get(session)
        good = credentials.generation_of(found.get(held))
        if user is None or opened is None or opened.values.get("generation", 0) != good:
            raise UnauthenticatedError("SESSION_ENDED", "This session is over; sign in again.")
        # A token may outlive a scope that an earlier version knew.
        known = [scope for scope in claims.scopes if scope.endswith("*") or scope in SCOPES]
        caller = Caller(
            organization_id=user.organization_id,
            user_id=user.id,
            scopes=narrowed(scopes_of(user.role), known),
            role=user.role,
            credential="session",
            credential_id=claims.sid,
            rate_limit=SESSION_RATE_LIMIT,
            origin=origin,
        )
        return caller, found.get(bucket)
