"""Where the books lie.

An account is an item with the counters `committed` (spent and reserved), `reserved` and `spent`, all in
nano-dollars, and a copy of its limit, so that one conditional write can never take it past the limit.
"""

from dataclasses import dataclass
from datetime import datetime

from ketbase.ledger.types import CostEvent, Reservation, Whose
from ketbase.money import MOST
from ketbase.ports.records import Key
from ketbase.types import iso

NO_LIMIT = MOST
"""What an account without a limit carries, in nano-dollars."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account: an organisation's, or within it a user's or a key's."""

    whose: Whose
    id: str
    organization_id: str
    month: str

    @property
    def place(self) -> Key:
        """Where the account lies. The organisations' of one month lie together, so that all can be walked."""
        if self.whose == "organization":
            return Key(month_partition(self.month), self.organization_id)
        return Key(f"org#{self.organization_id}#ledger#{self.month}", f"{self.whose}#{self.id}")

    @property
    def source(self) -> Key:
        """Where the limit lies that a new month begins with."""
        if self.whose == "organization":
            return budget(self.organization_id)
        return limit(self.organization_id, self.id)


def month_of(moment: datetime) -> str:
    """Name the month of a moment, such as `2026-01`."""
    return f"{moment:%Y-%m}"


def month_partition(month: str) -> str:
    """The partition of the accounts of all organisations in a month; the sort key is the organisation's id."""
    return f"ledger#{month}"


def accounts(reservation: Reservation) -> tuple[Account, ...]:
    """Name the accounts that a reservation stands in."""
    organization_id, month = reservation.organization_id, reservation.month
    found = [
        Account("organization", organization_id, organization_id, month),
        Account("user", reservation.user_id, organization_id, month),
    ]
    if reservation.key_id is not None:
        found.append(Account("key", reservation.key_id, organization_id, month))
    return tuple(found)


def budget(organization_id: str) -> Key:
    """Where an organisation's budget lies."""
    return Key(f"org#{organization_id}", "budget")


def limit(organization_id: str, who: str) -> Key:
    """Where the monthly limit of a user or a key lies."""
    return Key(f"org#{organization_id}", f"limit#{who}")


def events(organization_id: str) -> str:
    """The partition of an organisation's cost events, in order of time."""
    return f"org#{organization_id}#costs"


def event(event: CostEvent) -> Key:
    """Where a cost event lies."""
    return Key(events(event.organization_id), f"event#{iso(event.created_at)}#{event.job_id}")


def growing(event: CostEvent) -> Key:
    """Where the cost event of a day lies to which more is added."""
    parts = (iso(event.created_at), event.job_id, event.backend, event.user_id, event.key_id or "-")
    return Key(events(event.organization_id), f"event#{'#'.join(parts)}")


def usage(organization_id: str) -> str:
    """The partition of an organisation's daily sums, in order of the day."""
    return f"org#{organization_id}#usage"


def day(event: CostEvent) -> Key:
    """Where the sum lies that a cost event adds to: of its day, backend, user and key."""
    parts = (f"{event.created_at:%Y-%m-%d}", event.backend, event.user_id, event.key_id or "-")
    return Key(usage(event.organization_id), "#".join(parts))
