"""The writes that reserve, settle and release; they go into the transaction that moves the job."""

from collections.abc import Iterable

from ketbase.ledger import layout
from ketbase.ledger.types import CostEvent, Reservation
from ketbase.ports.records import Absent, AtMost, Condition, Equals, Item, Put, Update, Write


def reserve(account: layout.Account, nano: int, *, limit: int, pause_at: int | None) -> Update:
    """Set an amount aside in one account.

    Args:
        account: which.
        nano: how much, in nano-dollars.
        limit: the account's limit as it was read; the write does not hold if it changed meanwhile.
        pause_at: spent so much, the account takes no new jobs; `None` where it always does.
    """
    when: list[Condition] = [Equals("limit", limit)]
    if nano:  # what costs nothing may be done where nothing is left
        when.append(AtMost("committed", limit - nano))
    if pause_at is not None:
        when.append(AtMost("spent", pause_at - 1))
    return Update(account.place, add={"committed": nano, "reserved": nano}, when=tuple(when))


def settle(reservation: Reservation, event: CostEvent) -> list[Write]:
    """Turn a reservation into what the job cost, release the rest, and keep the cost event.

    Raises:
        ValueError: the job cost more than was reserved.
    """
    if event.amount > reservation.amount:
        raise ValueError(f"{event.job_id} settles {event.amount}, more than the reserved {reservation.amount}")
    cost, held = event.amount.nano, reservation.amount.nano
    change = {"committed": cost - held, "reserved": -held, "spent": cost}
    books: Iterable[Write] = (Update(account.place, add=change) for account in layout.accounts(reservation))
    day = Update(
        layout.day(event),
        set={
            "day": f"{event.created_at:%Y-%m-%d}",
            "backend": event.backend,
            "user_id": event.user_id,
            "key_id": event.key_id or "",
        },
        add={
            "cost": cost,
            "jobs": 1,
            "circuits": event.circuits,
            "shots": event.shots,
            "compute_ms": event.compute_ms,
        },
    )
    return [*books, Put(Item(layout.event(event), event.model_dump(mode="json")), (Absent(),)), day]
