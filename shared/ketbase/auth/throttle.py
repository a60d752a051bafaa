"""Slows down who guesses: each address, and each place that tries, has few tries and gets new ones slowly."""

import hashlib
from typing import Final

from ketbase.accounts.layout import folded
from ketbase.accounts.types import Origin
from ketbase.auth.buckets import Buckets, Rate

REFILL_S: Final = 90
"""Seconds until an address has one more try."""
PEOPLE: Final = 10
"""So many may share a place, such as an office behind one address: it has as many times the tries of one."""


class Throttle:
    """Counts tries, whether they succeed or not, and whether there is such a user or not."""

    def __init__(self, buckets: Buckets, tries: int):
        """Wire it.

        Args:
            buckets: which count.
            tries: how many may come at once for one address.
        """
        self._buckets = buckets
        self._of_one = Rate(tries, REFILL_S * 1_000_000)
        self._of_a_place = Rate(tries * PEOPLE, REFILL_S * 1_000_000 // PEOPLE)

    def guess(self, what: str, whose: str, origin: Origin | None = None) -> None:
        """Count one try.

        Args:
            what: what is tried, such as `sign-in`; each has tries of its own.
            whose: the address or the user that is tried; kept as a hash.
            origin: where the try comes from, which has tries of its own too.

        Raises:
            EmptyBucketError: `RATE_LIMITED`.
        """
        self._buckets.take(f"{what}#{_digest(folded(whose))}", self._of_one)
        if origin is not None and origin.address:
            self._buckets.take(f"{what}-from#{_digest(origin.address)}", self._of_a_place)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
