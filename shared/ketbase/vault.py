"""Seals small texts with the installation's secret, so that the store alone does not give them away."""

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_PURPOSE = b"ketbase vault 1"
_KEY_BYTES = 32
SHORTEST = 16
"""Characters of a secret; those that Ketbase and the template make have more."""


class SealedError(Exception):
    """None of the installation's secrets opens this."""


class Vault:
    """Seals with the newest secret, and opens what any of them sealed."""

    def __init__(self, secrets: Sequence[str]):
        """Derive the keys.

        Args:
            secrets: the newest first.

        Raises:
            ValueError: there is none, or one is short.
        """
        if not secrets or any(len(secret) < SHORTEST for secret in secrets):
            raise ValueError(f"the installation needs a secret (KETBASE_SECRET) of at least {SHORTEST} characters")
        self._keys = MultiFernet([Fernet(_derived(secret)) for secret in secrets])

    def seal(self, text: str) -> str:
        """Encrypt and sign a text."""
        return self._keys.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Decrypt what `seal` made.

        Raises:
            SealedError: it was changed, or sealed with a secret that is not here.
        """
        try:
            return self._keys.decrypt(sealed.encode()).decode()
        except InvalidToken as problem:
            raise SealedError("none of the installation's secrets opens this") from problem


def _derived(secret: str) -> bytes:
    key = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE).derive(secret.encode())
    return base64.urlsafe_b64encode(key)
