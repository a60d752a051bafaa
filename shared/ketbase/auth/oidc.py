"""Signs people in with an account elsewhere, by OpenID Connect."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Origin, User
from ketbase.auth.credentials import Credentials, CredentialStore
from ketbase.auth.grants import Grants
from ketbase.auth.types import JOURNEY, Grant
from ketbase.errors import ForbiddenError, InvalidError, NotFoundError, UnauthenticatedError
from ketbase.ports.clock import Clock
from ketbase.ports.identity import Identity, IdentityProvider
from ketbase.ports.records import Absent, ConditionFailedError, Delete, Item, Key, Present, Put, Records, Write

_BYTES = 32


@dataclass(frozen=True, slots=True)
class Journey:
    """A way to the provider and back.

    Attributes:
        url: where to go.
        browser: what the browser keeps in a cookie, so that nobody else comes back in its place.
    """

    url: str
    browser: str


class Oidc:
    """Sends people to the provider, and takes in who comes back."""

    def __init__(
        self,
        records: Records,
        clock: Clock,
        provider: Callable[[], IdentityProvider | None],
        accounts: AccountStore,
        credentials: CredentialStore,
        grants: Grants,
    ):
        """Wire it; `provider` gives `None` where the installation has none."""
        self._records = records
        self._clock = clock
        self._provider = provider
        self._accounts = accounts
        self._credentials = credentials
        self._grants = grants

    def start(self) -> Journey:
        """Begin a journey.

        Raises:
            NotFoundError: `OIDC_NOT_CONFIGURED`.
            UnavailableError: `OIDC_UNAVAILABLE`.
        """
        state, nonce, verifier, browser = (secrets.token_urlsafe(_BYTES) for _ in range(4))
        url = self._configured().address(state=state, nonce=nonce, verifier=verifier)
        values = {"nonce": nonce, "verifier": verifier, "browser": _digest(browser)}
        expires_at = int((self._clock.now() + JOURNEY).timestamp())
        self._records.write(Put(Item(_place(state), values, expires_at=expires_at), (Absent(),)))
        return Journey(url, browser)

    def finish(self, state: str, code: str, error: str, browser: str, origin: Origin) -> Grant:
        """End a journey, once, and sign in whoever came back.

        Raises:
            NotFoundError: `OIDC_NOT_CONFIGURED`.
            InvalidError: `INVALID_STATE`.
            UnauthenticatedError: `OIDC_REFUSED`.
            ForbiddenError: `NO_ACCOUNT`.
            UnavailableError: `OIDC_UNAVAILABLE`.
        """
        provider = self._configured()
        journey = self._end(state, browser)
        if error or not code:
            raise UnauthenticatedError("OIDC_REFUSED", "The identity provider did not let you in.", error=error)
        identity = provider.identify(code=code, nonce=journey["nonce"], verifier=journey["verifier"])
        user, known, beside, changed = self._find(identity)
        return self._grants.open(user, known, "oidc", origin, changed, *beside)

    def _configured(self) -> IdentityProvider:
        provider = self._provider()
        if provider is None:
            raise NotFoundError("OIDC_NOT_CONFIGURED", "This installation has no identity provider.")
        return provider

    def _end(self, state: str, browser: str) -> dict[str, Any]:
        wrong = InvalidError("INVALID_STATE", "This way back is not known, was gone before, or took too long.")
        item = self._records.get(_place(state))
        if item is None or not hmac.compare_digest(item.values["browser"], _digest(browser)):
            raise wrong
        try:
            self._records.write(Delete(item.key, (Present(),)))
        except ConditionFailedError as problem:
            raise wrong from problem
        return dict(item.values)

    def _find(self, identity: Identity) -> tuple[User, Credentials, list[Write], dict[str, Any]]:
        """Find the user of an account elsewhere; the first time by an address that the provider has verified."""
        linked = self._credentials.linked(identity.issuer, identity.subject)
        user = self._accounts.user(*linked) if linked else None
        if user is not None:
            known = self._credentials.get(user.organization_id, user.id)
            if known is not None and known.identity:
                return user, known, [], {}
        if identity.email and identity.email_verified:
            user = self._accounts.user_by_email(identity.email)
            if user is not None:
                known = self._credentials.get(user.organization_id, user.id)
                known = known or self._credentials.none(user.organization_id, user.id)
                # An address may pass to somebody else, at whom the provider then looks in another account.
                if known.identity is None:
                    link, changed = self._credentials.link(known, identity.issuer, identity.subject)
                    return user, known, [link], changed
        raise ForbiddenError(
            "NO_ACCOUNT",
            "No user here has this account, or its address as a verified one; ask to be invited.",
        )


def _place(state: str) -> Key:
    return Key(f"oidc#{_digest(state)}", "journey")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
