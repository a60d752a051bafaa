"""What an access token says."""

from ketbase.types import Model


class Claims(Model):
    """What a token says.

    Attributes:
        sub: the user.
        sid: the session; the token is over when that is.
        scopes: what the token may be used for, of what the user may do.
    """

    sub: str
    email: str | None = None
    org_id: str
    role: str
    scopes: tuple[str, ...]
    iat: int
    nbf: int
    exp: int
    iss: str
    aud: str
    jti: str
    sid: str
