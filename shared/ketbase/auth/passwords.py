"""Passwords: hashed with Argon2id, verified in the same time whether there is one or not."""

import base64
import threading
from typing import Final

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from ketbase.auth.types import LONGEST_PASSWORD
from ketbase.errors import InvalidError

SHORTEST: Final = 12
_AT_ONCE: Final = 4
"""Each takes 64 MiB, so that a flood of sign-ins waits its turn and does not fill the memory."""


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self, parameters: Parameters = RFC_9106_LOW_MEMORY):
        """Use Argon2 with `parameters`; those of RFC 9106 for machines with little memory where none are given."""
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._nobody = _made_up_hash(parameters)
        self._room = threading.BoundedSemaphore(_AT_ONCE)

    def hash(self, password: str) -> str:
        """Hash a password with a salt of its own."""
        with self._room:
            return self._hasher.hash(password)

    def verify(self, kept: str | None, password: str) -> bool:
        """Say whether a password is the one whose hash is `kept`.

        Where there is no hash it takes as long, so that the time tells nobody who exists.
        """
        try:
            with self._room:
                self._hasher.verify(kept or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return kept is not None

    def outdated(self, kept: str) -> bool:
        """Say whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)


def check_strength(password: str, email: str) -> None:
    """Refuse a password that is guessed easily: length counts, kinds of characters do not (NIST SP 800-63B).

    Raises:
        InvalidError: `WEAK_PASSWORD`.
    """
    if not SHORTEST <= len(password) <= LONGEST_PASSWORD:
        raise _weak(f"A password has {SHORTEST} to {LONGEST_PASSWORD} characters.")
    folded, address = password.casefold().strip(), email.casefold()
    if folded in (address, address.partition("@")[0]):
        raise _weak("A password is not one's own address.")
    if len(set(password)) < SHORTEST // 3:
        raise _weak(f"A password has at least {SHORTEST // 3} different characters.")


def _weak(message: str) -> InvalidError:
    return InvalidError(
        "WEAK_PASSWORD", message, field="password", min_length=SHORTEST, max_length=LONGEST_PASSWORD
    )


def _made_up_hash(parameters: Parameters) -> str:
    """Write a hash that no password has; to verify against it costs what `parameters` say."""
    salt, digest = (
        base64.b64encode(bytes(length)).rstrip(b"=").decode()
        for length in (parameters.salt_len, parameters.hash_len)
    )
    costs = f"m={parameters.memory_cost},t={parameters.time_cost},p={parameters.parallelism}"
    return f"$argon2id$v={parameters.version}${costs}${salt}${digest}"
