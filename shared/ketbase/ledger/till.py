"""Takes small amounts at once, for what is over before it could be reserved for."""

from datetime import timedelta
from typing import NamedTuple

from ketbase.ledger import entries, layout
from ketbase.ledger.entries import Terms
from ketbase.ledger.service import Ledger
from ketbase.ledger.types import Charge, CostEvent, Reservation
from ketbase.money import Money
from ketbase.ports.clock import Clock
from ketbase.ports.records import BusyError, ConditionFailedError, Records, Write
from ketbase.types import Moment

_FRESH = timedelta(seconds=10)
"""How long limits are believed; a changed one makes the write fail before that."""
_MOST_KNOWN = 1_000
_TRIES = 20


class Bill(NamedTuple):
    """Who pays for what.

    Attributes:
        thing: the id of what is used.
        event_type: of the cost event that grows.
        what: it is, as an error begins, such as `This prediction costs`.
    """

    organization_id: str
    user_id: str
    key_id: str | None
    thing: str
    event_type: str
    backend: str
    what: str


class _Known(NamedTuple):
    terms: list[Terms]
    until: Moment


class Till:
    """Charges in one conditional write: nothing is read where the limits are known, and no account is overdrawn."""

    def __init__(self, ledger: Ledger, records: Records, clock: Clock):
        self._ledger = ledger
        self._records = records
        self._clock = clock
        self._known: dict[tuple[layout.Account, ...], _Known] = {}

    def charge(self, bill: Bill, charge: Charge, *beside: Write) -> None:
        """Take an amount, and do the writes of `beside` in the same transaction.

        Raises:
            BudgetError: `BUDGET_EXCEEDED`, `JOBS_PAUSED`; nothing was written.
            ConditionFailedError: a condition of `beside` did not hold, with positions among these.
        """
        now = self._clock.now()
        reservation = _reservation(bill, charge.amount, self._ledger.month)
        accounts = layout.accounts(reservation)
        event = CostEvent(
            job_id=bill.thing,
            organization_id=bill.organization_id,
            user_id=bill.user_id,
            key_id=bill.key_id,
            event_type=bill.event_type,
            backend=bill.backend,
            month=reservation.month,
            estimated=charge.amount,
            reserved=charge.amount,
            amount=charge.amount,
            circuits=charge.circuits,
            shots=charge.shots,
            compute_ms=charge.compute_ms,
            created_at=now.replace(hour=0, minute=0, second=0, microsecond=0),
        )
        for _ in range(_TRIES):
            terms = self._terms(reservation, accounts, bill.what)
            spent = [entries.spend(each, charge.amount.nano) for each in terms]
            try:
                self._records.write(*beside, *spent, *entries.grow(event))
            except ConditionFailedError as refused:
                self._known.pop(accounts, None)
                if failed := [position for position in refused.failed if position < len(beside)]:
                    raise ConditionFailedError(failed) from refused
            else:
                return
        raise BusyError(f"the limits of {bill.organization_id} changed {_TRIES} times")

    def check(self, bill: Bill, least: Money) -> None:
        """Look whether there is room for an amount, before work is done for it.

        Raises:
            BudgetError: `BUDGET_EXCEEDED`, `JOBS_PAUSED`.
        """
        self._ledger.terms(_reservation(bill, least, self._ledger.month), least, what=bill.what)

    def _terms(self, reservation: Reservation, accounts: tuple[layout.Account, ...], what: str) -> list[Terms]:
        now = self._clock.now()
        known = self._known.get(accounts)
        if known is None or known.until <= now:
            terms = self._ledger.terms(reservation, reservation.amount, what=what)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[accounts] = _Known(terms, now + _FRESH)
        return known.terms


def _reservation(bill: Bill, amount: Money, month: str) -> Reservation:
    return Reservation(
        job_id=bill.thing,
        organization_id=bill.organization_id,
        user_id=bill.user_id,
        key_id=bill.key_id,
        month=month,
        amount=amount,
    )
