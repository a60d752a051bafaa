"""The identity port over any OpenID Connect provider that publishes its configuration."""

import threading
import time
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from ketbase.errors import UnauthenticatedError, UnavailableError
from ketbase.ports.clock import Clock
from ketbase.ports.identity import Identity

SCOPE = "openid email profile"
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
"""Those with a public key: with an HMAC, whoever can verify could also sign."""
_TIMEOUT_S = 5
_CACHED_S = 3_600
_LEEWAY_S = 60


class OpenIdProvider:
    """One provider; its configuration and keys are asked for once an hour, its keys also where one is not known."""

    def __init__(self, clock: Clock, *, issuer: str, client_id: str, client_secret: str, redirect_uri: str):
        """Wire a provider.

        Args:
            clock: the time.
            issuer: the provider, as its tokens name it.
            client_id: what it calls this installation.
            client_secret: empty for a public client.
            redirect_uri: where it sends browsers back to.
        """
        self._clock = clock
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_uri = redirect_uri
        self._cached: dict[str, tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def address(self, *, state: str, nonce: str, verifier: str) -> str:
        """Give the address to send a browser to."""
        place = self._configuration()["authorization_endpoint"]
        with self._session() as session:
            url, _ = session.create_authorization_url(place, state=state, code_verifier=verifier, nonce=nonce)
        return str(url)

    def identify(self, *, code: str, nonce: str, verifier: str) -> Identity:
        """Exchange a code for an id token, and verify that.

        Raises:
            UnauthenticatedError: `OIDC_REFUSED`.
            UnavailableError: `OIDC_UNAVAILABLE`.
        """
        configuration = self._configuration()
        with self._session() as session:
            try:
                token = session.fetch_token(
                    configuration["token_endpoint"], code=code, code_verifier=verifier, timeout=_TIMEOUT_S
                )
            except AuthlibBaseError as problem:
                raise _refused("the code was refused") from problem
            except (requests.RequestException, ValueError) as problem:
                raise _unavailable() from problem
            claims = self._verified(str(token.get("id_token", "")), nonce)
            told = claims if "email" in claims else self._user_info(session, configuration, claims)
        return Identity(
            issuer=self._issuer,
            subject=claims["sub"],
            email=told.get("email") if isinstance(told.get("email"), str) else None,
            email_verified=told.get("email_verified") is True,
        )

    def _verified(self, id_token: str, nonce: str) -> dict[str, Any]:
        """Verify an id token (OpenID Connect Core 1.0, section 3.1.3.7)."""
        expected = jwt.JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            try:
                decoded = jwt.decode(id_token, self._keys(), algorithms=_ALGORITHMS)
            except (InvalidKeyIdError, ValueError):
                # The provider may have new keys.
                decoded = jwt.decode(id_token, self._keys(anew=True), algorithms=_ALGORITHMS)
            claims = dict(decoded.claims)
            expected.validate(claims)
        except (JoseError, ValueError, TypeError) as problem:
            raise _refused("the id token is not good") from problem
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self._client_id) != self._client_id:
            raise _refused("the id token is for somebody else")
        return claims

    def _user_info(
        self, session: OAuth2Session, configuration: dict[str, Any], claims: dict[str, Any]
    ) -> dict[str, Any]:
        """Ask for what the id token does not say; many providers give the address only here."""
        if "userinfo_endpoint" not in configuration:
            return {}
        try:
            answer = session.get(configuration["userinfo_endpoint"], timeout=_TIMEOUT_S)
            answer.raise_for_status()
            told = answer.json()
        except (requests.RequestException, AuthlibBaseError, ValueError) as problem:
            raise _unavailable() from problem
        if not isinstance(told, dict) or told.get("sub") != claims["sub"]:
            raise _refused("the provider speaks of somebody else")
        return told

    def _configuration(self) -> dict[str, Any]:
        found: dict[str, Any] = self._fetch(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self._issuer:
            raise _unavailable()
        return found

    def _keys(self, *, anew: bool = False) -> KeySet:
        return KeySet.import_key_set(self._fetch(self._configuration()["jwks_uri"], anew=anew))

    def _fetch(self, url: str, *, anew: bool = False) -> Any:
        with self._lock:
            fetched_at, found = self._cached.get(url, (0.0, None))
            if found is not None and not anew and time.monotonic() - fetched_at < _CACHED_S:
                return found
            try:
                answer = requests.get(url, timeout=_TIMEOUT_S)
                answer.raise_for_status()
                found = answer.json()
            except (requests.RequestException, ValueError) as problem:
                raise _unavailable() from problem
            self._cached[url] = (time.monotonic(), found)
            return found

    def _session(self) -> OAuth2Session:
        return OAuth2Session(
            self._client_id,
            self._client_secret or None,
            scope=SCOPE,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic" if self._client_secret else "none",
        )


def _refused(reason: str) -> UnauthenticatedError:
    return UnauthenticatedError("OIDC_REFUSED", f"The identity provider did not vouch for you: {reason}.")


def _unavailable() -> UnavailableError:
    return UnavailableError("OIDC_UNAVAILABLE", "The identity provider does not answer as it should; try again.")
