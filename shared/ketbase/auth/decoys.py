"""Writes that nobody reads: what is asked about a user who does not exist takes as long as about one who does."""

import hashlib
from datetime import timedelta
from typing import Final

from ketbase.ports.clock import Clock
from ketbase.ports.records import Item, Key, Put

NOBODY: Final = "nobody"
_KEPT: Final = timedelta(hours=1)


def decoy(clock: Clock, write: Put, asked_for: str) -> Put:
    """Keep the same values where nobody looks, for an hour."""
    place = Key(f"nobody#{hashlib.sha256(asked_for.casefold().encode()).hexdigest()}", write.item.key.sort)
    return Put(Item(place, write.item.values, expires_at=int((clock.now() + _KEPT).timestamp())))
