"""What goes over the wire when tokens are asked for, given and given back."""

from typing import Literal

from pydantic import Field

from ketbase.types import Model


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
    email: str = Field("", max_length=254)
    username: str = Field("", max_length=254)
    password: str = ""
    otp: str = Field("", max_length=16)
    recovery_code: str = Field("", max_length=64)
    refresh_token: str = Field("", max_length=512)


class RevokeRequest(Model):
    """Gives a token back, whichever kind it is."""

    token: str = Field(min_length=1, max_length=8_192)
