"""Access tokens: JWTs that say who somebody is, for an hour (RFC 9068 in all that matters here)."""

from datetime import datetime
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey, GuestProtocol
from pydantic import ValidationError

from ketbase.accounts.roles import scopes_of
from ketbase.accounts.types import User
from ketbase.auth.claims import Claims
from ketbase.auth.sessions import Session
from ketbase.auth.signing_keys import ALGORITHM, TOKEN_LIFETIME, SigningKeys
from ketbase.errors import UnauthenticatedError
from ketbase.ids import new_id
from ketbase.ports.clock import Clock

AUDIENCE: Final = "ketbase"
LONGEST: Final = 8_192
"""Characters of a token; ours have about 1,000."""


class AccessTokens:
    """Issues and verifies access tokens."""

    def __init__(self, keys: SigningKeys, clock: Clock, *, issuer: str, leeway_s: int):
        """Wire the tokens.

        Args:
            keys: which sign.
            clock: the time.
            issuer: the installation's address, which its tokens name.
            leeway_s: how far the clocks of two machines may be apart.
        """
        self._keys = keys
        self._clock = clock
        self._issuer = issuer
        self._leeway_s = leeway_s

    def scopes(self, user: User) -> tuple[str, ...]:
        """Name what a user's tokens may be used for."""
        return tuple(sorted(scopes_of(user.role)))

    def issue(self, user: User, session: Session) -> tuple[str, int]:
        """Make a token for a session.

        Returns:
            The token, and for how many seconds it is good.
        """
        key_id, key = self._keys.signer()
        now = _seconds(self._clock.now())
        expires = min(now + int(TOKEN_LIFETIME.total_seconds()), _seconds(session.ends_at))
        claims = Claims(
            sub=user.id,
            email=user.email,
            org_id=user.organization_id,
            role=user.role,
            scopes=self.scopes(user),
            iat=now,
            nbf=now,
            exp=expires,
            iss=self._issuer,
            aud=AUDIENCE,
            jti=new_id("token"),
            sid=session.id,
        )
        token = jwt.encode({"alg": ALGORITHM, "kid": key_id}, claims.model_dump(mode="json"), key, [ALGORITHM])
        return token, expires - now

    def verify(self, token: str) -> Claims:
        """Read a token that this installation issued for itself, and that is good now.

        Raises:
            UnauthenticatedError: `TOKEN_EXPIRED` or `INVALID_TOKEN`.
        """
        if len(token) > LONGEST:
            raise _invalid()
        expected = jwt.JWTClaimsRegistry(
            now=_seconds(self._clock.now()),
            leeway=self._leeway_s,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": AUDIENCE},
            exp={"essential": True},
            nbf={"essential": True},
        )
        try:
            # The algorithm is ours to say, not the token's.
            decoded = jwt.decode(token, self._key, algorithms=[ALGORITHM])
            expected.validate(decoded.claims)
            return Claims.model_validate(decoded.claims)
        except ExpiredTokenError as problem:
            raise UnauthenticatedError(
                "TOKEN_EXPIRED", "This token is over; get the next one with your refresh token."
            ) from problem
        except (JoseError, ValidationError, ValueError, TypeError, KeyError) as problem:
            raise _invalid() from problem

    def _key(self, guest: GuestProtocol) -> ECKey:
        header: dict[str, Any] = guest.headers()
        key_id = header.get("kid")
        key = self._keys.verifier(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise _invalid()
        return key


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _invalid() -> UnauthenticatedError:
    return UnauthenticatedError("INVALID_TOKEN", "This token is not one that this installation issued for itself.")
