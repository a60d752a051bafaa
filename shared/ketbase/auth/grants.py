"""Signs people in: what RFC 6749 calls grants, each answered with an access token and a refresh token."""

from collections.abc import Iterable, Mapping
from typing import Any

from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller, Origin, User
from ketbase.audit.lines import line, system_line
from ketbase.auth import credentials as kept
from ketbase.auth import decoys
from ketbase.auth.credentials import Credentials, CredentialStore
from ketbase.auth.passwords import Passwords
from ketbase.auth.second_factor import SecondFactor
from ketbase.auth.sessions import Opened, ReusedError, Session, Sessions
from ketbase.auth.throttle import Throttle
from ketbase.auth.tokens import AccessTokens
from ketbase.auth.types import LONGEST_PASSWORD, Grant, TokenRequest
from ketbase.errors import ForbiddenError, InvalidError, UnauthenticatedError
from ketbase.ports.clock import Clock
from ketbase.ports.records import Check, ConditionFailedError, Equals, Records, Write


class Grants:
    """Opens sessions and carries them on."""

    def __init__(
        self,
        records: Records,
        clock: Clock,
        accounts: AccountStore,
        credentials: CredentialStore,
        passwords: Passwords,
        second_factor: SecondFactor,
        sessions: Sessions,
        tokens: AccessTokens,
        throttle: Throttle,
    ):
        self._records = records
        self._clock = clock
        self._accounts = accounts
        self._credentials = credentials
        self._passwords = passwords
        self._second_factor = second_factor
        self._sessions = sessions
        self._tokens = tokens
        self._throttle = throttle

    def grant(self, asked: TokenRequest, origin: Origin) -> Grant:
        """Answer a request for tokens.

        Raises:
            InvalidError: `INVALID_REQUEST`, `INVALID_GRANT` or `UNSUPPORTED_GRANT_TYPE`.
            ForbiddenError: `MFA_REQUIRED`, the password is right.
            EmptyBucketError: `RATE_LIMITED`.
        """
        email = (asked.email or asked.username).strip()
        match asked.grant_type:
            case "password" if email and asked.password:
                return self.by_password(
                    email, asked.password, origin, otp=asked.otp, recovery_code=asked.recovery_code
                )
            case "refresh_token" if asked.refresh_token:
                return self.by_refresh_token(asked.refresh_token, origin)
            case "password":
                raise InvalidError("INVALID_REQUEST", "A password grant needs email and password.")
            case "refresh_token":
                raise InvalidError("INVALID_REQUEST", "A refresh_token grant needs refresh_token.")
            case _:
                raise InvalidError("UNSUPPORTED_GRANT_TYPE", "A grant_type is password or refresh_token.")

    def by_password(
        self, email: str, password: str, origin: Origin, *, otp: str = "", recovery_code: str = ""
    ) -> Grant:
        """Sign in with a password, and a second factor where the user has one.

        Whether the user exists shows neither in the answer nor in its time: both go through the same reads,
        the same hashing and one write.

        Raises:
            InvalidError: `INVALID_GRANT`.
            ForbiddenError: `MFA_REQUIRED`, the password is right.
            EmptyBucketError: `RATE_LIMITED`.
        """
        tried = self._throttle.guess("sign-in", email, origin)
        user = self._accounts.user_by_email(email)
        known = self._credentials.get(user.organization_id, user.id) if user else None
        if user is None:
            decoys.look_up(self._accounts, self._credentials)
        # A longer one is nobody's, and hashing it would be a way to keep us busy.
        right = self._passwords.verify(known.password_hash if known else None, password[:LONGEST_PASSWORD])
        if user is None or known is None or not right or len(password) > LONGEST_PASSWORD:
            self._refuse(user, email, "password", origin)
            raise _invalid()
        changed: dict[str, Any] = {}
        if known.totp_secret is not None:
            if not otp and not recovery_code:
                self._throttle.forgive(tried)
                raise ForbiddenError("MFA_REQUIRED", "Send the code of your device as otp, or a recovery_code.")
            changed |= self._second(user, known, otp, recovery_code, origin)
        self._throttle.forgive(tried)
        if known.password_hash and self._passwords.outdated(known.password_hash):
            changed["password_hash"] = self._passwords.hash(password)
        return self.open(user, known, "password", origin, changed)

    def by_refresh_token(self, refresh_token: str, origin: Origin) -> Grant:
        """Carry a session on.

        Raises:
            InvalidError: `INVALID_GRANT`; where the token was used before, the whole session ends.
        """
        try:
            opened = self._sessions.refresh(refresh_token, origin)
        except ReusedError as problem:
            over = problem.session
            told = system_line(
                self._clock, over.organization_id, "session.reuse_detected", over.id, origin, user_id=over.user_id
            )
            self._sessions.end(over, told)
            raise InvalidError("INVALID_GRANT", problem.message) from problem
        except UnauthenticatedError as problem:
            raise InvalidError("INVALID_GRANT", problem.message) from problem
        session = opened.session
        held = kept.place(session.organization_id, session.user_id)
        user, found = self._accounts.user_and(session.organization_id, session.user_id, held)
        if user is None or session.generation != kept.generation_of(found.get(held)):
            self._sessions.end(session)
            raise InvalidError("INVALID_GRANT", "This session is over; sign in again.")
        return self._grant(user, opened)

    def open(
        self,
        user: User,
        known: Credentials,
        method: str,
        origin: Origin,
        changed: Mapping[str, Any] | None = None,
        *beside: Write,
    ) -> Grant:
        """Open a session for somebody who has proved who they are.

        Args:
            user: who.
            known: their credentials, as they were when they proved it.
            method: how, such as `password`.
            origin: where they are.
            changed: fields of the credentials to change with it.
            beside: what else is written in the same transaction.

        Raises:
            InvalidError: `INVALID_GRANT`, the credentials were changed meanwhile.
        """
        held = Check(kept.place(user.organization_id, user.id), (Equals("version", known.version),))
        changes: Iterable[Write] = [self._credentials.change(known, **changed)] if changed else [held]

        def written(session: Session) -> Iterable[Write]:
            told = line(self._clock, _caller(user, session, origin), "session.created", session.id, method=method)
            return [*changes, told, *beside]

        try:
            opened = self._sessions.open(
                user.organization_id, user.id, origin, written, generation=known.generation
            )
            return self._grant(user, opened)
        except ConditionFailedError as problem:
            raise _invalid() from problem

    def _grant(self, user: User, opened: Opened) -> Grant:
        token, seconds = self._tokens.issue(user, opened.session)
        return Grant(
            access_token=token,
            expires_in=seconds,
            refresh_token=opened.refresh_token,
            scope=" ".join(self._tokens.scopes(user)),
        )

    def _second(
        self, user: User, known: Credentials, otp: str, recovery_code: str, origin: Origin
    ) -> Mapping[str, Any]:
        changed = self._second_factor.accept(known, otp, recovery_code, self._clock.now())
        if changed is None:
            self._refuse(user, "", "second factor", origin)
            raise _invalid()
        return changed

    def _refuse(self, user: User | None, email: str, reason: str, origin: Origin) -> None:
        """Note a refusal: in the log of the organisation, or, where there is no user, where nobody reads it."""
        whose, whom = (user.organization_id, user.id) if user else (decoys.NOBODY, decoys.NOBODY)
        told = system_line(self._clock, whose, "session.refused", whom, origin, reason=reason)
        self._records.write(told if user else decoys.decoy(self._clock, told, email))


def _caller(user: User, session: Session, origin: Origin) -> Caller:
    return Caller(
        organization_id=user.organization_id,
        user_id=user.id,
        scopes=frozenset(),
        role=user.role,
        credential="session",
        credential_id=session.id,
        origin=origin,
    )


def _invalid() -> InvalidError:
    return InvalidError("INVALID_GRANT", "The address, the password or the code is wrong.")
