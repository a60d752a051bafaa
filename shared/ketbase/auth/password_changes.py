"""Changes passwords: by who knows the old one, and by who can read the mail of the account."""

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Final

from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller, Origin, User
from ketbase.audit.lines import line, system_line
from ketbase.auth import decoys
from ketbase.auth.buckets import Rate
from ketbase.auth.credentials import Credentials, CredentialStore
from ketbase.auth.passwords import Passwords, check_strength
from ketbase.auth.sessions import Sessions
from ketbase.auth.throttle import Throttle
from ketbase.auth.types import ChangePassword, ForgotPassword, ResetPassword
from ketbase.errors import ConflictError, InvalidError, RateLimitedError
from ketbase.notices.outbox import notice
from ketbase.ports.clock import Clock
from ketbase.ports.records import ConditionFailedError, Delete, Item, Key, Present, Put, Records, Write

RESET_LIFETIME = timedelta(hours=1)
RESETS: Final = Rate(capacity=3, interval=3_600_000_000)
"""What one address may be sent: three mails at once, then one an hour."""
_TOKEN_BYTES = 32


class PasswordChanges:
    """Changes passwords; each change ends the sessions that were opened with the old one."""

    def __init__(
        self,
        records: Records,
        clock: Clock,
        accounts: AccountStore,
        credentials: CredentialStore,
        passwords: Passwords,
        sessions: Sessions,
        throttle: Throttle,
        *,
        public_url: str,
    ):
        self._records = records
        self._clock = clock
        self._accounts = accounts
        self._credentials = credentials
        self._passwords = passwords
        self._sessions = sessions
        self._throttle = throttle
        self._public_url = public_url

    def change(self, caller: Caller, body: ChangePassword) -> None:
        """Change the caller's password, and end their other sessions.

        Raises:
            InvalidError: `WRONG_PASSWORD` or `WEAK_PASSWORD`.
            EmptyBucketError: `RATE_LIMITED`.
        """
        user = self._accounts.user(caller.organization_id, caller.user_id)
        known = self._credentials.get(caller.organization_id, caller.user_id)
        self._throttle.guess("password", caller.user_id)
        if user is None or known is None or not self._passwords.verify(known.password_hash, body.old_password):
            raise InvalidError("WRONG_PASSWORD", "The old password is wrong.", field="old_password")
        told = line(self._clock, caller, "password.changed", caller.user_id, method="old password")
        mine = self._sessions.carry_over(user.id, caller.credential_id, known.generation + 1)
        self._set(user, known, body.new_password, told, mine)
        self._sessions.end_all(user.id, spare=caller.credential_id)

    def forget(self, body: ForgotPassword, origin: Origin) -> None:
        """Send a mail with which the password can be set anew, if there is a user with this address.

        Nothing that the caller sees tells whether there is, or whether there were too many requests.
        """
        try:
            self._throttle.send("reset", body.email, RESETS, origin)
        except RateLimitedError:
            return
        user = self._accounts.user_by_email(body.email)
        if user is None:
            decoys.look_up(self._accounts, self._credentials)
        known = self._credentials.get(user.organization_id, user.id) if user else None
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        soon = int((self._clock.now() + RESET_LIFETIME).timestamp())
        organization, whom = (user.organization_id, user.id) if user else ("", "")
        # Without a user this lies there too, and can do nothing.
        values = {"organization_id": organization, "user_id": whom, "password": _mark(known)}
        kept = Item(_place(token), values, expires_at=soon)
        text = _MAIL.format(name=user.name if user else "", url=self._public_url, token=token)
        # To the address that is kept: one that is capitalised otherwise may be somebody else's.
        to = (user and user.email) or body.email
        about = f"password reset {kept.key.partition}"
        mail = notice(self._clock, organization, "email", to, "Set a new password", text, about=about)
        told = system_line(self._clock, organization, "password.reset_requested", whom, origin)
        told_and_sent = (
            [told, mail] if user else [decoys.decoy(self._clock, each, body.email) for each in (told, mail)]
        )
        self._records.write(Put(kept), *told_and_sent)

    def reset(self, body: ResetPassword, origin: Origin) -> None:
        """Set a password with a token from a mail, once, and end all sessions.

        A token is over when the password that was lost is changed in another way.

        Raises:
            InvalidError: `INVALID_RESET_TOKEN` or `WEAK_PASSWORD`.
        """
        item = self._records.get(_place(body.token))
        user = self._accounts.user(item.values["organization_id"], item.values["user_id"]) if item else None
        if item is None or user is None:
            raise _over()
        known = self._credentials.get(user.organization_id, user.id)
        if known is None:
            known = self._credentials.none(user.organization_id, user.id)
        if not hmac.compare_digest(item.values["password"], _mark(known)):
            raise _over()
        told = system_line(self._clock, user.organization_id, "password.changed", user.id, origin, method="mail")
        try:
            used = Delete(_place(body.token), (Present(),))
            self._set(user, known, body.new_password, used, told, email_proved=True)
        except ConflictError as problem:
            if self._records.get(_place(body.token)) is None:
                raise _over() from problem
            raise
        self._sessions.end_all(user.id)

    def _set(self, user: User, known: Credentials, password: str, *beside: Write, **more: bool) -> None:
        """Set the password and end all sessions at once; what ends them one by one later only tidies up."""
        check_strength(password, user.email or "")
        changed = {"password_hash": self._passwords.hash(password), "generation": known.generation + 1, **more}
        try:
            self._records.write(self._credentials.change(known, **changed), *beside)
        except ConditionFailedError as problem:
            raise ConflictError("CREDENTIALS_CHANGED", "The credentials were just changed; try again.") from problem


_MAIL = """Hello {name},

somebody, probably you, asked to set a new password for your Ketbase account at {url}.

Within one hour, send this token with the new password to {url}/v1/auth/password/reset:

{token}

If it was not you, ignore this mail; your password stays as it is.
"""


def _place(token: str) -> Key:
    return Key(f"reset#{hashlib.sha256(token.encode()).hexdigest()}", "reset")


def _mark(known: Credentials | None) -> str:
    """Tell one password from the next; it is kept where a token lies, which shall not hold the hash itself."""
    return hashlib.sha256(((known and known.password_hash) or "").encode()).hexdigest()


def _over() -> InvalidError:
    return InvalidError(
        "INVALID_RESET_TOKEN",
        "This token is not known, was used, or is over, or the password was changed since; ask for another.",
        field="token",
    )
