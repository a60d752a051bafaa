"""Keeps the books: no account ever goes past its limit, however many ask at the same moment."""

import secrets
from collections.abc import Iterator
from contextlib import suppress

from ketbase.errors import BudgetError
from ketbase.ledger import entries, layout
from ketbase.ledger.entries import Terms
from ketbase.ledger.layout import NO_LIMIT, Account
from ketbase.ledger.types import Budget, Reservation, Standing
from ketbase.money import Money
from ketbase.ports.clock import Clock
from ketbase.ports.records import (
    Absent,
    Check,
    ConditionFailedError,
    Delete,
    Equals,
    Item,
    Key,
    Present,
    Put,
    Records,
    Update,
    Values,
    Write,
    walk,
)

_WHOSE = {"organization": "the organisation's", "user": "your own", "key": "this key's"}


class Ledger:
    """Reservations within limits."""

    def __init__(self, records: Records, clock: Clock, *, default_limit: Money):
        """Wire a ledger.

        Args:
            records: where the books lie.
            clock: the time.
            default_limit: the monthly limit of an organisation that has set none.
        """
        self._records = records
        self._clock = clock
        self._default_limit = default_limit

    @property
    def month(self) -> str:
        """The current month, such as `2026-01` (UTC)."""
        return layout.month_of(self._clock.now())

    # --- Reserving ---

    def hold(self, reservation: Reservation, *, more: Money | None = None) -> list[Write]:
        """Make the writes that set a job's ceiling aside in each account that it stands in.

        Where one of them does not hold, somebody was faster: ask again, and either there is room or it raises.

        Args:
            reservation: for what, and in whose books.
            more: only this, for a job that has its reservation and needs a higher ceiling.

        Raises:
            BudgetError: `BUDGET_EXCEEDED`, whose limit it is and what is left; `JOBS_PAUSED`, an alert of the
                budget stopped new jobs.
        """
        amount = reservation.amount if more is None else more
        terms = self.terms(reservation, amount, pausing=more is None)
        return [entries.reserve(each, amount.nano) for each in terms]

    def terms(
        self,
        reservation: Reservation,
        amount: Money,
        *,
        pausing: bool = True,
        what: str = "This job may cost up to",
    ) -> list[Terms]:
        """Read on which terms each account takes an amount now.

        Args:
            reservation: in whose books.
            amount: that is wanted.
            pausing: whether an alert of the budget may refuse it.
            what: it is for, as an error begins.

        Raises:
            BudgetError: see `hold`.
        """
        found: list[Terms] = []
        for account, item in self._opened(layout.accounts(reservation)):
            standing = _standing(account, item)
            pause_at = item.values.get("pause_new_at") if pausing else None
            if pause_at is not None and (standing.spent.nano >= pause_at or item.values.get(_PAUSED)):
                raise _paused(standing)
            if standing.remaining is not None and amount > standing.remaining:
                raise _exceeded(standing, standing.remaining, amount, what)
            found.append(Terms(account, item.values["limit"], pause_at))
        return found

    def _opened(self, accounts: tuple[Account, ...]) -> Iterator[tuple[Account, Item]]:
        items = self._read(accounts)
        missing = [account for account in accounts if account.place not in items]
        while missing:
            for account in missing:
                self._open(account)
            items = self._read(accounts)
            missing = [account for account in accounts if account.place not in items]
        stale = [account for account in accounts if _stale(items[account.place], items.get(account.source))]
        if stale:
            for account in stale:
                self._renew(items[account.place], items.get(account.source), account)
            return self._opened(accounts)
        return ((account, items[account.place]) for account in accounts)

    def _read(self, accounts: tuple[Account, ...]) -> dict[Key, Item]:
        """Read accounts, and the limits that they should have."""
        places = [place for account in accounts for place in (account.place, account.source)]
        return {item.key: item for item in self._records.get_many(places)}

    def _renew(self, item: Item, source: Item | None, account: Account) -> None:
        """Copy a limit that was set while the account's month began, unless another does."""
        limit, pauses, revision = self._limit_of(account, source)
        unchanged = () if "revision" not in item.values else (Equals("revision", item.values["revision"]),)
        with suppress(ConditionFailedError):
            self._records.write(
                Update(
                    account.place,
                    set={"limit": limit, "revision": revision, **pauses},
                    remove=_lifted(pauses),
                    when=(Present(), *unchanged),
                )
            )

    def _limit_of(self, account: Account, source: Item | None) -> tuple[int, dict[str, int], str]:
        """Say an account's limit, when it pauses jobs, and which revision of the limit that is."""
        if source is None:
            return (self._default_limit.nano if account.whose == "organization" else NO_LIMIT), {}, _UNSET
        limit = source.values["limit"]
        return limit, _pauses(source.values, limit), source.values["revision"]

    def _open(self, account: Account) -> None:
        """Begin an account's month with the limit of that moment, unless another did."""
        source = self._records.get(account.source)
        limit, pauses, revision = self._limit_of(account, source)
        unchanged = Check(account.source, (Absent() if source is None else Equals("revision", revision),))
        start = {"limit": limit, "revision": revision, "committed": 0, "reserved": 0, "spent": 0, **pauses}
        # Whether another opened it or the limit changed: the caller looks again.
        with suppress(ConditionFailedError):
            self._records.write(Put(Item(account.place, start), (Absent(),)), unchanged)

    # --- Limits ---

    def budget(self, organization_id: str) -> Budget:
        """Read an organisation's budget."""
        item = self._records.get(layout.budget(organization_id))
        if item is None:
            return Budget(monthly_limit=self._default_limit)
        return Budget.model_validate(item.values["budget"])

    def budget_writes(self, organization_id: str, budget: Budget) -> list[Write]:
        """Make the writes that set an organisation's budget, from this month on."""
        limit = budget.monthly_limit.nano
        pauses = {
            field: min(thresholds)
            for field, actions in _PAUSED_BY.items()
            if (thresholds := [a.threshold for a in budget.alerts if a.action in actions])
        }
        kept = {"limit": limit, "budget": budget.model_dump(mode="json"), **pauses}
        return self._limit_writes(
            Account("organization", organization_id, organization_id, self.month), limit, kept
        )

    def limit_writes(self, organization_id: str, who: str, limit: Money | None) -> list[Write]:
        """Make the writes that limit what a user (`user_…`) or a key (`key_…`) may spend in a month."""
        account = _account_of(organization_id, who, self.month)
        if limit is None:
            return [Delete(account.source), Update(account.place, set={"limit": NO_LIMIT, "revision": _UNSET})]
        return self._limit_writes(account, limit.nano, {"limit": limit.nano})

    def closing_writes(self, organization_id: str, who: str) -> list[Write]:
        """Make the writes that let a user or a key that is gone reserve nothing more this month."""
        account = _account_of(organization_id, who, self.month)
        return [Delete(account.source), Update(account.place, set={"limit": 0, "revision": _CLOSED})]

    def _limit_writes(self, account: Account, limit: int, kept: Values) -> list[Write]:
        pauses = _pauses(kept, limit)
        revision = secrets.token_hex(8)
        return [
            Put(Item(account.source, {**kept, "revision": revision})),
            Update(account.place, set={"limit": limit, "revision": revision, **pauses}, remove=_lifted(pauses)),
        ]

    # --- Reading ---

    def standing(self, organization_id: str, month: str | None = None) -> Standing:
        """Read an organisation's account of a month; of this month, where none is named."""
        account = Account("organization", organization_id, organization_id, month or self.month)
        return self._standing_of(account)

    def standing_of(self, organization_id: str, who: str, month: str | None = None) -> Standing:
        """Read the account of a user (`user_…`) or a key (`key_…`)."""
        return self._standing_of(_account_of(organization_id, who, month or self.month))

    def standings(self, month: str) -> Iterator[Standing]:
        """Walk the accounts of all organisations in a month."""
        for item in walk(self._records, layout.month_partition(month)):
            organization_id = item.key.sort
            yield _standing(Account("organization", organization_id, organization_id, month), item)

    def pauses_waiting_jobs(self, organization_id: str) -> bool:
        """Say whether an alert of the budget holds back jobs that wait."""
        account = Account("organization", organization_id, organization_id, self.month)
        item = self._records.get(account.place)
        pause_at = None if item is None else item.values.get("pause_at")
        return item is not None and pause_at is not None and bool(item.values.get("spent", 0) >= pause_at)

    def pauses_new_jobs(self, organization_id: str) -> bool:
        """Say whether jobs are refused although there may be room, because the month had none before."""
        account = Account("organization", organization_id, organization_id, self.month)
        item = self._records.get(account.place)
        return item is not None and bool(item.values.get(_PAUSED))

    def pause(self, standing: Standing) -> Update:
        """Make the write that keeps an organisation's new jobs out until its budget is set anew or the month ends.

        Those that wait have their money set aside, and go on. The write does not hold where the limit changed after
        `standing` was read.
        """
        account = Account("organization", standing.id, standing.id, standing.month)
        limit = NO_LIMIT if standing.limit is None else standing.limit.nano
        return Update(account.place, set={_PAUSED: True}, when=(Equals("limit", limit),))

    def _standing_of(self, account: Account) -> Standing:
        item = self._records.get(account.place)
        if item is not None:
            return _standing(account, item)
        source = self._records.get(account.source)
        fallback = self._default_limit.nano if account.whose == "organization" else NO_LIMIT
        limit = fallback if source is None else source.values["limit"]
        return _standing(account, Item(account.place, {"limit": limit}))


_UNSET, _CLOSED = "unset", "closed"
"""The revision of a limit that nobody set, and of one that is for ever."""


def _stale(account: Item, source: Item | None) -> bool:
    """Say whether an account's copy of its limit is an old one."""
    copied = account.values.get("revision")
    return bool(copied != _CLOSED and copied != (_UNSET if source is None else source.values["revision"]))


def _account_of(organization_id: str, who: str, month: str) -> Account:
    return Account("user" if who.startswith("user_") else "key", who, organization_id, month)


_PAUSED_BY = {"pause_new_at": ("pause_new_jobs", "pause_jobs"), "pause_at": ("pause_jobs",)}
"""Which alerts hold back new jobs, and which also those that wait."""


_PAUSED = "paused"
"""The field that holds jobs back however much is spent, while the budget has an alert that does."""


def _lifted(pauses: dict[str, int]) -> tuple[str, ...]:
    """Name the fields that hold no jobs back any more, once a limit is set."""
    return (*(field for field in _PAUSED_BY if field not in pauses), _PAUSED)


def _pauses(kept: Values, limit: int) -> dict[str, int]:
    """Turn the percentages at which jobs are held back into nano-dollars of a limit, rounded up."""
    return {field: -(-limit * kept[field] // 100) for field in _PAUSED_BY if field in kept}


def _standing(account: Account, item: Item) -> Standing:
    limit = item.values["limit"]
    return Standing(
        whose=account.whose,
        id=account.id,
        month=account.month,
        limit=None if limit == NO_LIMIT else Money(limit),
        spent=Money(item.values.get("spent", 0)),
        reserved=Money(item.values.get("reserved", 0)),
    )


def _paused(standing: Standing) -> BudgetError:
    return BudgetError(
        "JOBS_PAUSED",
        f"An alert of the budget stopped new jobs: ${standing.spent} of ${standing.limit} are spent in "
        f"{standing.month}, and ${standing.reserved} set aside. A higher limit (PUT /v1/budget) lets them in "
        "again.",
        spent=str(standing.spent),
        limit=str(standing.limit),
        month=standing.month,
    )


def _exceeded(standing: Standing, remaining: Money, needed: Money, what: str) -> BudgetError:
    return BudgetError(
        "BUDGET_EXCEEDED",
        f"{what} ${needed}, and {_WHOSE[standing.whose]} budget for {standing.month} has "
        f"${remaining} left of ${standing.limit}.",
        whose=standing.whose,
        month=standing.month,
        needed=str(needed),
        remaining=str(remaining),
        limit=str(standing.limit),
        spent=str(standing.spent),
        reserved=str(standing.reserved),
    )
