"""The identity port: an OpenID Connect provider that says who somebody is."""

from typing import Protocol

from ketbase.types import Model


class Identity(Model):
    """Who somebody is, as a provider vouches for.

    Attributes:
        subject: the provider's own name of the account, which never changes.
        email: their address, if the provider says one.
        email_verified: whether the provider knows that it is theirs.
    """

    issuer: str
    subject: str
    email: str | None = None
    email_verified: bool = False


class IdentityProvider(Protocol):
    """An OpenID Connect provider, by the authorization code flow with PKCE."""

    def address(self, *, state: str, nonce: str, verifier: str) -> str:
        """Give the address to send a browser to.

        Args:
            state: comes back with the browser.
            nonce: comes back inside the id token.
            verifier: of which the address holds the hash (PKCE, S256).
        """

    def identify(self, *, code: str, nonce: str, verifier: str) -> Identity:
        """Exchange a code for an id token, and verify that.

        Raises:
            UnauthenticatedError: `OIDC_REFUSED`, the code or the token is not good.
            UnavailableError: `OIDC_UNAVAILABLE`, the provider does not answer.
        """
