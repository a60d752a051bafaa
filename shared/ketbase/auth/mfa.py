"""Turns a person's second factor on and off."""

import io

import segno

from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller
from ketbase.audit.lines import line
from ketbase.auth.credentials import Credentials, CredentialStore
from ketbase.auth.second_factor import SecondFactor, new_recovery_codes, recovery_hash
from ketbase.auth.throttle import Throttle
from ketbase.auth.types import ConfirmFactor, DisableFactor, Enrolment, RecoveryCodes
from ketbase.errors import ConflictError, InvalidError
from ketbase.ports.clock import Clock
from ketbase.ports.records import ConditionFailedError, Records, Write


class Mfa:
    """The second factor of whoever asks."""

    def __init__(
        self,
        records: Records,
        clock: Clock,
        accounts: AccountStore,
        credentials: CredentialStore,
        second_factor: SecondFactor,
        throttle: Throttle,
    ):
        self._records = records
        self._clock = clock
        self._accounts = accounts
        self._credentials = credentials
        self._second_factor = second_factor
        self._throttle = throttle

    def enrol(self, caller: Caller) -> Enrolment:
        """Offer a secret; nothing changes for the caller until `confirm`.

        Raises:
            ConflictError: `MFA_ENABLED`.
        """
        known = self._known(caller)
        if known.totp_secret is not None:
            raise ConflictError("MFA_ENABLED", "There is a second factor already; turn it off first.")
        secret = self._second_factor.new_secret()
        self._write(self._credentials.change(known, totp_offered=self._second_factor.seal(secret)))
        user = self._accounts.user(caller.organization_id, caller.user_id)
        uri = self._second_factor.uri(secret, (user and (user.email or user.name)) or caller.user_id)
        return Enrolment(secret=secret, uri=uri, qr_svg=_qr(uri))

    def confirm(self, caller: Caller, body: ConfirmFactor) -> RecoveryCodes:
        """Turn the second factor on, with a code that shows that the device has the secret.

        Raises:
            ConflictError: `MFA_NOT_OFFERED`.
            InvalidError: `WRONG_CODE`.
            EmptyBucketError: `RATE_LIMITED`.
        """
        known = self._known(caller)
        if known.totp_offered is None:
            raise ConflictError("MFA_NOT_OFFERED", "Ask for a secret first: POST /v1/auth/mfa.")
        self._throttle.guess("mfa", caller.user_id)
        step = self._second_factor.step_of(known.totp_offered, body.code, self._clock.now())
        if step is None:
            raise _wrong()
        codes = new_recovery_codes()
        self._write(
            self._credentials.change(
                known,
                totp_secret=known.totp_offered,
                totp_offered=None,
                totp_step=step,
                recovery_codes=[recovery_hash(caller.user_id, code) for code in codes],
            ),
            line(self._clock, caller, "mfa.enabled", caller.user_id),
        )
        return RecoveryCodes(recovery_codes=tuple(codes))

    def disable(self, caller: Caller, body: DisableFactor) -> None:
        """Turn the second factor off; a password does not, for then it would be all that one needs.

        Raises:
            ConflictError: `MFA_DISABLED`, there is none.
            InvalidError: `WRONG_CODE`.
            EmptyBucketError: `RATE_LIMITED`.
        """
        known = self._known(caller)
        if known.totp_secret is None:
            raise ConflictError("MFA_DISABLED", "There is no second factor.")
        self._throttle.guess("mfa", caller.user_id)
        if self._second_factor.accept(known, body.code, body.recovery_code, self._clock.now()) is None:
            raise _wrong()
        self._write(
            self._credentials.change(known, totp_secret=None, totp_offered=None, recovery_codes=[]),
            line(self._clock, caller, "mfa.disabled", caller.user_id),
        )

    def _known(self, caller: Caller) -> Credentials:
        known = self._credentials.get(caller.organization_id, caller.user_id)
        return known or self._credentials.none(caller.organization_id, caller.user_id)

    def _write(self, *writes: Write) -> None:
        try:
            self._records.write(*writes)
        except ConditionFailedError as problem:
            raise ConflictError(
                "CREDENTIALS_CHANGED", "Your credentials were just changed; try again."
            ) from problem


def _qr(uri: str) -> str:
    picture = io.BytesIO()
    segno.make_qr(uri, error="m").save(picture, kind="svg", scale=4, xmldecl=False)
    return picture.getvalue().decode()


def _wrong() -> InvalidError:
    return InvalidError("WRONG_CODE", "The code is wrong.", field="code")
