"""What goes over the wire when people sign in, and when they change what they sign in with."""

from datetime import timedelta
from typing import Final, Literal

from pydantic import Field

from ketbase.types import Model

LONGEST_PASSWORD: Final = 128
_LONGEST_ADDRESS: Final = 254
_LONGEST_TOKEN: Final = 128
JOURNEY: Final = timedelta(minutes=10)
"""How long somebody may take at the identity provider."""


class Grant(Model):
    """What somebody gets who signed in (RFC 6749, section 5.1).

    Attributes:
        expires_in: for how long the access token is good, in seconds.
        scope: what it may be used for, with blanks between.
    """

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: int
    refresh_token: str
    scope: str


class TokenRequest(Model):
    """Asks for tokens.

    Attributes:
        grant_type: `password` or `refresh_token`.
        email: with `password`, the user's address; `username` says the same.
        otp: with `password`, the code of the second factor.
        recovery_code: in place of `otp`.
    """

    grant_type: str = Field(examples=["password", "refresh_token"])
    email: str = Field("", max_length=_LONGEST_ADDRESS)
    username: str = Field("", max_length=_LONGEST_ADDRESS)
    password: str = ""
    otp: str = Field("", max_length=16)
    recovery_code: str = Field("", max_length=64)
    refresh_token: str = Field("", max_length=512)


class RevokeRequest(Model):
    """Gives a token back, whichever kind it is."""

    token: str = Field(min_length=1, max_length=8_192)


class Enrolment(Model):
    """What an authenticator app needs; shown once.

    Attributes:
        secret: to type in.
        uri: to open, `otpauth://totp/…`.
        qr_svg: the same to photograph.
    """

    secret: str
    uri: str
    qr_svg: str


class ConfirmFactor(Model):
    """The first code of a new device."""

    code: str = Field(min_length=6, max_length=16)


class RecoveryCodes(Model):
    """Each signs in once in place of a code; shown once."""

    recovery_codes: tuple[str, ...]


class DisableFactor(Model):
    """The proof that one has the second factor: a code of the device, or a recovery code."""

    code: str = Field("", max_length=16)
    recovery_code: str = Field("", max_length=64)


class ChangePassword(Model):
    """The old password and the new one."""

    old_password: str = Field(max_length=LONGEST_PASSWORD)
    new_password: str


class ForgotPassword(Model):
    """Whose password is lost."""

    email: str = Field(min_length=3, max_length=_LONGEST_ADDRESS)


class ResetPassword(Model):
    """The token from the mail, and the new password."""

    token: str = Field(min_length=1, max_length=_LONGEST_TOKEN)
    new_password: str
