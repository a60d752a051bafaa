"""Token buckets as GCRA: an integer per bucket says when its next token would be due.

The generic cell rate algorithm (ITU-T I.371) keeps the *theoretical arrival time* `tat` of the next request. With
one token every T and room for `capacity`, a request at `now` is allowed while `tat <= now + (capacity - 1) T`, and
moves `tat` to `max(tat, now) + T`. Either case is one conditional write, and since `tat` only grows, but
for a token that is given back, a condition that held when it was read can only fail towards the stricter case: no
loop, and nothing is ever given twice.
"""

import math
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from ketbase.accounts import layout
from ketbase.errors import RateLimitedError
from ketbase.ports.clock import Clock
from ketbase.ports.records import AtMost, ConditionFailedError, Equals, Item, Present, Put, Records, Update
from ketbase.types import iso

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
REFILL_S: Final = 100
"""An empty bucket is full again after so many seconds: 1,000 requests, and 10 more a second."""
KEPT: Final = timedelta(days=400)
"""How long an idle bucket is kept; it says when its key was used last."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How much a bucket holds and how fast it fills.

    Attributes:
        capacity: tokens.
        interval: between two tokens, in microseconds.
    """

    capacity: int
    interval: int

    @classmethod
    def of_requests(cls, capacity: int) -> "Rate":
        """Give the rate of a caller who may make `capacity` requests at once."""
        return cls(capacity, max(1, REFILL_S * _SECOND // capacity))

    @property
    def tolerance(self) -> int:
        """How far ahead of now a bucket may be that still has a token, in microseconds."""
        return (self.capacity - 1) * self.interval


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left in a bucket.

    Attributes:
        limit: tokens when full.
        remaining: tokens now; with many callers at once, about so many.
        full_at: when it is full again, in seconds since the epoch.
    """

    limit: int
    remaining: int
    full_at: int


class EmptyBucketError(RateLimitedError):
    """The bucket has no token.

    Attributes:
        allowance: what is left, which is nothing.
    """

    def __init__(self, allowance: Allowance, wait: int):
        seconds = max(1, math.ceil(wait / _SECOND))
        super().__init__(
            "RATE_LIMITED",
            f"Too many requests; try again in {seconds} s.",
            retry_after_s=seconds,
            limit=allowance.limit,
        )
        self.allowance = allowance


class Buckets:
    """Takes tokens; right with any number of callers at once."""

    def __init__(self, records: Records, clock: Clock):
        self._records = records
        self._clock = clock

    def take(self, who: str, rate: Rate, seen: Item | None = None) -> Allowance:
        """Take one token.

        Args:
            who: whose bucket.
            rate: how much it holds, and how fast it fills.
            seen: its item, where the caller has just read it.

        Raises:
            EmptyBucketError: `RATE_LIMITED`.
        """
        moment = self._clock.now()
        now = (moment - _EPOCH) // _MICROSECOND
        place = layout.bucket(who)
        item = seen or self._records.get(place)
        tat = int(item.values.get("tat", 0)) if item else 0
        if tat > now + rate.tolerance:
            raise _empty(rate, now, tat)
        used = iso(moment)
        expires_at = math.ceil((moment + KEPT).timestamp())
        if tat <= now or item is None:
            fresh = Item(place, {"tat": now + rate.interval, "last_used": used}, expires_at=expires_at)
            if self._done(Put(fresh, (AtMost("tat", now),))):
                return _allowance(rate, now, now + rate.interval)
        elif item.expires_at is not None and item.expires_at < (moment + KEPT / 2).timestamp():
            # A bucket that is never idle would expire one day, and be full again.
            kept = Item(place, {"tat": tat + rate.interval, "last_used": used}, expires_at=expires_at)
            if self._done(Put(kept, (Equals("tat", tat),))):
                return _allowance(rate, now, tat + rate.interval)
        more = Update(
            place, set={"last_used": used}, add={"tat": rate.interval}, when=(AtMost("tat", now + rate.tolerance),)
        )
        if self._done(more):
            return _allowance(rate, now, max(tat, now) + rate.interval)
        raise _empty(rate, now, now + rate.tolerance + rate.interval)

    def give_back(self, who: str, rate: Rate) -> None:
        """Give back a token that was taken; a write that this hinders elsewhere fails towards the stricter case."""
        with suppress(ConditionFailedError):
            self._records.write(Update(layout.bucket(who), add={"tat": -rate.interval}, when=(Present(),)))

    def _done(self, write: Put | Update) -> bool:
        try:
            self._records.write(write)
        except ConditionFailedError:
            return False
        return True


def _allowance(rate: Rate, now: int, tat: int) -> Allowance:
    remaining = (now + rate.tolerance + rate.interval - tat) // rate.interval
    return Allowance(rate.capacity, max(0, min(rate.capacity, remaining)), math.ceil(tat / _SECOND))


def _empty(rate: Rate, now: int, tat: int) -> EmptyBucketError:
    return EmptyBucketError(Allowance(rate.capacity, 0, math.ceil(tat / _SECOND)), tat - now - rate.tolerance)
