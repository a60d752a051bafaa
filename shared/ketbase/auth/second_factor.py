"""The second factor: six digits that change every thirty seconds (RFC 6238), or else a recovery code."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pyotp

from ketbase.auth.credentials import Credentials
from ketbase.vault import Vault

ISSUER = "Ketbase"
RECOVERY_CODES = 10
_RECOVERY_BYTES = 10
_STEP_S = 30
_STEPS_AROUND = (0, -1, 1)
"""A code is also good a step before and behind its own, for clocks that are not quite right (RFC 6238, 5.2)."""
_GROUP = 4


class SecondFactor:
    """Makes and checks second factors."""

    def __init__(self, vault: Callable[[], Vault]):
        """Wire it; the vault is asked for by who has a second factor only."""
        self._vault = vault

    def new_secret(self) -> str:
        """Make the secret that a device and Ketbase share."""
        return pyotp.random_base32()

    def uri(self, secret: str, name: str) -> str:
        """Write a secret as authenticator apps read it, `otpauth://totp/…`."""
        return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)

    def seal(self, secret: str) -> str:
        """Seal a secret, to keep it."""
        return self._vault().seal(secret)

    def step_of(self, sealed: str, code: str, now: datetime) -> int | None:
        """Find the time step whose code this is; `None` where it is no code of about now."""
        shown = code.replace(" ", "")
        if not (shown.isascii() and shown.isdigit()):
            return None
        device = pyotp.TOTP(self._vault().open(sealed))
        present = int(now.timestamp()) // _STEP_S
        steps = (present + each for each in _STEPS_AROUND)
        return next((step for step in steps if hmac.compare_digest(device.generate_otp(step), shown)), None)

    def accept(self, known: Credentials, otp: str, recovery_code: str, now: datetime) -> Mapping[str, Any] | None:
        """Check a code of somebody who has a second factor.

        Returns:
            The fields of the credentials to change, so that no code is taken twice; `None` where it is wrong.
        """
        if otp and known.totp_secret is not None:
            step = self.step_of(known.totp_secret, otp, now)
            return None if step is None or step <= known.totp_step else {"totp_step": step}
        code = recovery_hash(known.user_id, recovery_code)
        if recovery_code and code in known.recovery_codes:
            return {"recovery_codes": [each for each in known.recovery_codes if each != code]}
        return None


def new_recovery_codes() -> list[str]:
    """Make codes of 80 random bits, in groups of four letters and digits."""
    return [_new_recovery_code() for _ in range(RECOVERY_CODES)]


def recovery_hash(user_id: str, code: str) -> str:
    """Hash a recovery code, however it is capitalised and grouped; it is random, so that a plain hash will do."""
    plain = "".join(each for each in code.upper() if each.isalnum())
    return hashlib.sha256(f"{user_id}\n{plain}".encode()).hexdigest()


def _new_recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))
