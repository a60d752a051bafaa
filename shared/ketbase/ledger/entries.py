"""The writes that reserve, settle and release; they go into the transaction that moves the job."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ketbase.ledger import layout
from ketbase.ledger.types import CostEvent, Reservation
from ketbase.money import Money
from ketbase.ports.records import Absent, AtMost, Condition, Equals, Item, Put, Update, Write


class Terms(NamedTuple):
    """On which terms an account takes an amount.

    Attributes:
        limit: the account's, as it was read; a write does not hold if it changed meanwhile.
        pause_at: spent so much, the account takes no new jobs; `None` where it always does.
    """

    account: layout.Account
    limit: int
    pause_at: int | None


def reserve(terms: Terms, nano: int) -> Update:
    """Set an amount, in nano-dollars, aside in one account."""
    return Update(terms.account.place, add={"committed": nano, "reserved": nano}, when=_room(terms, nano))


def spend(terms: Terms, nano: int) -> Update:
    """Take an amount, in nano-dollars, from one account, without having set it aside."""
    return Update(terms.account.place, add={"committed": nano, "spent": nano}, when=_room(terms, nano))


def _room(terms: Terms, nano: int) -> tuple[Condition, ...]:
    when: list[Condition] = [Equals("limit", terms.limit)]
    if nano:  # what costs nothing may be done where nothing is left
        when.append(AtMost("committed", terms.limit - nano))
    if terms.pause_at is not None:
        when.append(AtMost("spent", terms.pause_at - 1))
    return tuple(when)


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
    return [*books, Put(Item(layout.event(event), event.model_dump(mode="json")), (Absent(),)), _day(event)]


def grow(event: CostEvent) -> list[Write]:
    """Add what was spent at once to the cost event of its day, thing, backend, user and key.

    Args:
        event: of the day's beginning, with only what is added.
    """
    counted = {"nano": event.amount.nano, **{name: getattr(event, name) for name in _COUNTED}}
    said = event.model_dump(mode="json", exclude={*_AMOUNTS, *_COUNTED})
    return [Update(layout.growing(event), set=said, add=counted), _day(event)]


def cost_event(values: Mapping[str, Any]) -> CostEvent:
    """Read a cost event, whether it was written once or grew."""
    if "nano" not in values:
        return CostEvent.model_validate(values)
    amount = Money(values["nano"])
    said = {name: value for name, value in values.items() if name != "nano"}
    return CostEvent.model_validate({**said, **dict.fromkeys(_AMOUNTS, amount)})


_AMOUNTS = ("estimated", "reserved", "amount")
_COUNTED = ("circuits", "shots", "compute_ms")


def _day(event: CostEvent) -> Update:
    return Update(
        layout.day(event),
        set={
            "day": f"{event.created_at:%Y-%m-%d}",
            "backend": event.backend,
            "user_id": event.user_id,
            "key_id": event.key_id or "",
        },
        add={
            "cost": event.amount.nano,
            "jobs": event.jobs,
            "circuits": event.circuits,
            "shots": event.shots,
            "compute_ms": event.compute_ms,
        },
    )
