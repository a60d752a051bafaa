"""Decides who is calling with an API key."""

import re
import secrets
import string

from ketbase.accounts import layout
from ketbase.accounts.keystore import KeyStore, RevokedKeyError
from ketbase.accounts.roles import narrowed, scopes_of
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import KEY_PATTERN, Caller, Origin
from ketbase.errors import UnauthenticatedError
from ketbase.ports.clock import Clock
from ketbase.ports.records import Item

_LENGTH = 24
_ALPHABET = string.ascii_letters + string.digits


class Keys:
    """API keys as credentials."""

    def __init__(self, keys: KeyStore, accounts: AccountStore, clock: Clock):
        self._keys = keys
        self._accounts = accounts
        self._clock = clock

    def authenticate(self, key: str, origin: Origin) -> Caller:
        """Find who holds a key, and what they may do with it now; see `authenticate_and`."""
        return self.authenticate_and(key, origin)[0]

    def authenticate_and(self, key: str, origin: Origin) -> tuple[Caller, Item | None]:
        """Find who holds a key, and what they may do with it now: of its scopes, those that their role grants.

        Returns:
            The caller, and the item of the key's bucket, which is read in the same call as its owner.

        Raises:
            UnauthenticatedError: `INVALID_API_KEY`, `API_KEY_REVOKED` (also where its owner is gone) or
                `API_KEY_EXPIRED`.
        """
        revoked = UnauthenticatedError("API_KEY_REVOKED", "This API key was revoked; make a new one.")
        try:
            record = self._keys.find(key) if re.fullmatch(KEY_PATTERN, key) else None
        except RevokedKeyError:
            raise revoked from None
        if record is None:
            raise UnauthenticatedError(
                "INVALID_API_KEY", "This API key is not known. Keys look like qsk_live_ and 24 characters."
            )
        bucket = layout.bucket(record.id)
        owner, found = self._accounts.user_and(record.organization_id, record.user_id, bucket)
        if owner is None:
            raise revoked
        if record.expires_at is not None and record.expires_at <= self._clock.now():
            raise UnauthenticatedError(
                "API_KEY_EXPIRED",
                f"This API key expired at {record.expires_at.isoformat()}; make a new one.",
            )
        caller = Caller(
            organization_id=record.organization_id,
            user_id=owner.id,
            # The role's scopes are all known, whatever the key was granted by an older version.
            scopes=narrowed(record.scopes, scopes_of(owner.role)),
            role=owner.role,
            credential="key",
            credential_id=record.id,
            limited=record.expires_at is not None or record.monthly_limit is not None,
            rate_limit=record.rate_limit,
            origin=origin,
        )
        return caller, found.get(bucket)


def new_key(environment: str) -> str:
    """Make an API key for an environment (`live`, `test` or `dev`): 24 random letters and digits, 142 bits."""
    return f"qsk_{environment}_{''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))}"


def hint_of(key: str) -> str:
    """Hide all of a key but its environment and its last four characters: `qsk_live_***cdef`."""
    return f"{key[:-_LENGTH]}***{key[-4:]}"
