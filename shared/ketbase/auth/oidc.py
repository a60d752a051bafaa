"""Signs people in with an account elsewhere, by OpenID Connect."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ketbase.accounts.keystore import KeyStore, RevokedKeyError
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Origin, User
from ketbase.audit.lines import system_line
from ketbase.auth.credentials import Credentials, CredentialStore
from ketbase.auth.grants import Grants
from ketbase.auth.types import JOURNEY, Grant
from ketbase.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, UnauthenticatedError
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
        keys: KeyStore,
        grants: Grants,
    ):
        """Wire it; `provider` gives `None` where the installation has none."""
        self._records = records
        self._clock = clock
        self._provider = provider
        self._accounts = accounts
        self._credentials = credentials
        self._keys = keys
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
            ForbiddenError: `NO_ACCOUNT`; `SECOND_FACTOR_FIRST`, the user has a second factor, and this account is
                not linked to them yet.
            ConflictError: `CREDENTIALS_CHANGED`, at the same moment.
            UnavailableError: `OIDC_UNAVAILABLE`.
        """
        provider = self._configured()
        journey = self._end(state, browser)
        if error or not code:
            raise UnauthenticatedError("OIDC_REFUSED", "The identity provider did not let you in.", error=error)
        identity = provider.identify(code=code, nonce=journey["nonce"], verifier=journey["verifier"])
        user, known, beside, changed = self._find(identity, origin)
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

    def _find(self, identity: Identity, origin: Origin) -> tuple[User, Credentials, list[Write], dict[str, Any]]:
        """Find the user of an account elsewhere; the first time by an address that the provider has verified.

        The address is compared as all addresses are; see `ketbase.accounts.layout.folded`.
        """
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
                    return self._first_link(identity, user, known, origin)
        raise ForbiddenError(
            "NO_ACCOUNT",
            "No user here has this account, or its address as a verified one; ask to be invited.",
        )

    def _first_link(
        self, identity: Identity, user: User, known: Credentials, origin: Origin
    ) -> tuple[User, Credentials, list[Write], dict[str, Any]]:
        """Tie an account elsewhere to the user whose address it has, which takes nobody's second factor away."""
        if known.totp_secret is not None:
            raise ForbiddenError(
                "SECOND_FACTOR_FIRST",
                "You have a second factor here, so your address alone does not let you in. Sign in with your "
                "password and code, turn the factor off (DELETE /v1/auth/mfa), come this way once more, and turn "
                "it on again: from then on this account lets you in.",
            )
        if not known.email_proved:
            known = self._disown(user, known, origin)
        link, changed = self._credentials.link(known, identity.issuer, identity.subject)
        told = system_line(self._clock, user.organization_id, "identity.linked", user.id, origin)
        return user, known, [link, told], {**changed, "email_proved": True}

    def _disown(self, user: User, known: Credentials, origin: Origin) -> Credentials:
        """Take away what somebody set up under an address that they never showed to be theirs.

        Only when nothing of it works any more is the account linked; until then the next try does this again.
        """
        organization_id = user.organization_id
        changes = {"password_hash": None, "totp_offered": None, "generation": known.generation + 1}
        told = system_line(self._clock, organization_id, "credentials.dropped", user.id, origin, address=user.email)
        try:
            self._records.write(self._credentials.change(known, **changes), told)
        except ConditionFailedError as problem:
            raise ConflictError("CREDENTIALS_CHANGED", "The credentials were just changed; try again.") from problem
        for record in self._keys.walk(organization_id, user.id):
            told = system_line(
                self._clock, organization_id, "key.revoked", record.id, origin, name=record.name, hint=record.hint
            )
            with suppress(RevokedKeyError, ConditionFailedError):
                self._records.write(*self._keys.revocation(record, self._clock.now()), told)
        return self._credentials.get(organization_id, user.id) or known


def _place(state: str) -> Key:
    return Key(f"oidc#{_digest(state)}", "journey")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
