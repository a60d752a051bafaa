"""Slows down who guesses: each place has few tries for an address, and gets new ones slowly."""

import hashlib
import ipaddress
from typing import Final

from ketbase.accounts.layout import folded
from ketbase.accounts.types import Origin
from ketbase.auth.buckets import Buckets, Rate

REFILL_S: Final = 90
"""Seconds until a place has one more try for an address."""
MANY: Final = 10
"""A place, such as an office behind one address, has as many times the tries of one person in it; and an address
has as many from all places together, so that nobody closes it to its owner from one or two."""
_IPV6_PLACE: Final = 64
"""Bits: whoever has one address of IPv6 has all that begin with these (RFC 6177)."""

type Try = tuple[tuple[str, Rate], ...]
"""What a try was counted in."""


class Throttle:
    """Counts wrong tries, whether there is such a user or not."""

    def __init__(self, buckets: Buckets, tries: int):
        """Wire it.

        Args:
            buckets: which count.
            tries: how many may come at once from one place for one address.
        """
        self._buckets = buckets
        self._of_one = Rate(tries, REFILL_S * 1_000_000)
        self._of_many = Rate(tries * MANY, REFILL_S * 1_000_000 // MANY)

    def guess(self, what: str, whose: str, origin: Origin | None = None) -> Try:
        """Count one try, before it is known whether it is right: of many at once none is free.

        Args:
            what: what is tried, such as `sign-in`; each has tries of its own.
            whose: the address or the user that is tried; kept as a hash.
            origin: where the try comes from; without it all tries come from one place.

        Raises:
            EmptyBucketError: `RATE_LIMITED`.
        """
        whom = address_mark(whose)
        if origin is None or not origin.address:
            return self._count((f"{what}#{whom}", self._of_one))
        place = place_of(origin)
        # The address comes last: a place that has no tries left takes none of the others'.
        return self._count(
            (f"{what}-at#{_digest(f'{whom} {place}')}", self._of_one),
            (f"{what}-from#{_digest(place)}", self._of_many),
            (f"{what}#{whom}", self._of_many),
        )

    def forgive(self, tried: Try) -> None:
        """Take back what was counted, for the try was right."""
        for who, rate in tried:
            self._buckets.give_back(who, rate)

    def send(self, what: str, whose: str, rate: Rate, origin: Origin) -> None:
        """Count a mail that somebody may not want, by who gets it and by where it is asked for.

        Raises:
            EmptyBucketError: `RATE_LIMITED`.
        """
        if origin.address:
            self._count((f"{what}-from#{_digest(place_of(origin))}", self._of_many))
        self._count((f"{what}#{address_mark(whose)}", rate))

    def _count(self, *counted: tuple[str, Rate]) -> Try:
        for who, rate in counted:
            self._buckets.take(who, rate)
        return counted


def address_mark(address: str) -> str:
    """Hash an address, however it is capitalised, to count under."""
    return _digest(folded(address))


def place_of(origin: Origin) -> str:
    """Name the place that a request came from, as places are counted: an address of IPv4, or a network of IPv6."""
    try:
        address = ipaddress.ip_address(origin.address.partition("%")[0])
    except ValueError:
        return origin.address
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_PLACE), strict=False))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
