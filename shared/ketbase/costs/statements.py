"""Adds a month up to its statement."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta

from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller
from ketbase.costs import months
from ketbase.costs.statement import CURRENT, MAX_JOBS, DayLine, Statement, StatementLine
from ketbase.errors import InvalidError, NotFoundError
from ketbase.ledger import layout
from ketbase.ledger.entries import cost_event
from ketbase.ledger.service import Ledger
from ketbase.ledger.types import CostEvent
from ketbase.money import Money
from ketbase.ports.clock import Clock
from ketbase.ports.records import Records, walk

_LATE = timedelta(days=7)
"""So long after a month's end its jobs' ends are looked for in any case."""


class Statements:
    """The statements of the caller's organisation."""

    def __init__(self, records: Records, ledger: Ledger, accounts: AccountStore, clock: Clock):
        self._records = records
        self._ledger = ledger
        self._accounts = accounts
        self._clock = clock

    def statement(
        self, caller: Caller, month: str, *, most: int | None = MAX_JOBS
    ) -> tuple[Statement, list[CostEvent]]:
        """Add up a month.

        Args:
            caller: whose organisation's.
            month: such as `2026-01`, or `current`.
            most: how many jobs it may be made of; any number where it is `None`.

        Returns:
            The statement, and the jobs that it is made of in the order in which they ended.

        Raises:
            NotFoundError: `STATEMENT_NOT_FOUND`, the month has not begun, or was before the organisation.
            InvalidError: `REPORT_TOO_LARGE`, the month has more than `most` jobs.
        """
        now = self._clock.now()
        month = self._ledger.month if month == CURRENT else month
        organization = self._accounts.organization(caller.organization_id)
        if organization is None or not self._was_there(month, organization.created_at, now):
            raise NotFoundError("STATEMENT_NOT_FOUND", f"There is no statement for {month}.", month=month)
        standing = self._ledger.standing(organization.id, month)
        walk = self._events(organization.id, month, standing.spent)
        events = list(walk if most is None else itertools.islice(walk, most + 1))
        if most is not None and len(events) > most:
            raise InvalidError(
                "REPORT_TOO_LARGE",
                f"{month} has more than {most:,} jobs; ask for less: format=csv gives them as a table, and "
                "GET /v1/usage some days at a time.",
                field="format",
                limit=most,
            )
        last = months.end(month).date() - timedelta(days=1)
        people = {user.id: user for user in self._accounts.users(organization.id)}
        statement = Statement(
            month=month,
            organization_id=organization.id,
            organization=organization.name,
            monthly_limit=standing.limit,
            total=_cost(events),
            open=standing.reserved,
            final=now >= months.end(month) and not standing.reserved,
            jobs=_jobs(events),
            circuits=sum(event.circuits for event in events),
            shots=sum(event.shots for event in events),
            compute_seconds=sum(event.compute_ms for event in events) / 1_000,
            by_day=tuple(_days(month, events, last)),
            by_backend=tuple(_lines(events, lambda event: event.backend)),
            by_user=tuple(
                line.model_copy(update={"name": people[line.id].name, "email": people[line.id].email})
                if line.id in people
                else line
                for line in _lines(events, lambda event: event.user_id)
            ),
            created_at=now,
        )
        return statement, events

    @staticmethod
    def _was_there(month: str, founded: datetime, now: datetime) -> bool:
        return months.begin(month) <= now and founded < months.end(month)

    def _events(self, organization_id: str, month: str, spent: Money) -> Iterator[CostEvent]:
        """Walk the month's cost events; behind a week after its end, only until they make up what was spent."""
        found = Money()
        for item in walk(self._records, layout.events(organization_id), after=f"event#{month}"):
            event = cost_event(item.values)
            if event.created_at > months.end(month) + _LATE and found >= spent:
                return
            if event.month == month:
                found += event.amount
                yield event


def _days(month: str, events: list[CostEvent], last: date) -> Iterator[DayLine]:
    by_day: dict[date, list[CostEvent]] = {}
    for event in events:
        by_day.setdefault(min(event.created_at.date(), last), []).append(event)
    for number in range(last.day):
        day = months.begin(month).date() + timedelta(days=number)
        of_day = by_day.get(day, [])
        yield DayLine(date=day, jobs=_jobs(of_day), cost=_cost(of_day))


def _lines(events: Iterable[CostEvent], by: Callable[[CostEvent], str]) -> list[StatementLine]:
    groups: dict[str, list[CostEvent]] = {}
    for event in events:
        groups.setdefault(by(event), []).append(event)
    lines = [
        StatementLine(
            id=name,
            name=name,
            jobs=_jobs(of),
            circuits=sum(event.circuits for event in of),
            shots=sum(event.shots for event in of),
            cost=_cost(of),
        )
        for name, of in groups.items()
    ]
    return sorted(lines, key=lambda line: (-line.cost.nano, line.id))


def _jobs(events: Iterable[CostEvent]) -> int:
    return sum(event.jobs for event in events)


def _cost(events: Iterable[CostEvent]) -> Money:
    return sum((event.amount for event in events), Money())
