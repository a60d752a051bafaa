"""What an organisation used, from the daily sums that the ledger keeps; job by job from its cost events."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from typing import Literal

from ketbase.accounts.types import Caller
from ketbase.errors import InvalidError
from ketbase.ledger import layout
from ketbase.ledger.entries import cost_event
from ketbase.ledger.types import CostEvent
from ketbase.money import Money
from ketbase.ports.clock import Clock
from ketbase.ports.records import Item, Records, walk
from ketbase.types import Model

MAX_DAYS = 366
MAX_SUMS = 20_000
"""The most daily sums that one report adds up: one for each day, backend, user and key that was used."""
_CURSOR = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)_([\w.:,-]+)$")

type GroupBy = Literal["day", "backend", "user", "key", "job"]


class Usage(Model):
    """A sum.

    Attributes:
        compute_seconds: of the functions.
    """

    cost: Money = Money()
    jobs: int = 0
    circuits: int = 0
    shots: int = 0
    compute_seconds: float = 0.0


class DayUsage(Usage):
    """What was used on one day (UTC), by the day on which jobs ended."""

    date: date
    backend_breakdown: dict[str, Money]


class BackendUsage(Usage):
    """What was used on one backend."""

    backend: str


class UserUsage(Usage):
    """What one user's jobs used."""

    user_id: str


class KeyUsage(Usage):
    """What jobs submitted with one API key used; `None` for those that were submitted without a key."""

    key_id: str | None


class UsageReport(Model):
    """What was used from `start_date` to `end_date`, both included.

    Attributes:
        breakdown_by_backend: the costs, whatever the grouping.
        breakdown_by_day: with `group_by=day`; the others likewise. `backends` has the sums of `group_by=backend`.
        breakdown_by_job: one page, in the order in which jobs ended.
        cursor: what to send to get the next page of jobs; `None` on the last.
    """

    start_date: date
    end_date: date
    group_by: GroupBy
    total_cost: Money
    total_jobs: int
    total_circuits: int
    total_shots: int
    total_compute_seconds: float
    breakdown_by_backend: dict[str, Money]
    breakdown_by_day: tuple[DayUsage, ...] | None = None
    backends: tuple[BackendUsage, ...] | None = None
    breakdown_by_user: tuple[UserUsage, ...] | None = None
    breakdown_by_key: tuple[KeyUsage, ...] | None = None
    breakdown_by_job: tuple[CostEvent, ...] | None = None
    cursor: str | None = None


class UsageQuery(Model):
    """Which usage to show: this month's, where no date is given."""

    start_date: date | None = None
    end_date: date | None = None
    group_by: GroupBy = "day"
    limit: int = 100
    cursor: str | None = None


class UsageReports:
    """The usage of the caller's organisation."""

    def __init__(self, records: Records, clock: Clock):
        self._records = records
        self._clock = clock

    def report(self, caller: Caller, query: UsageQuery) -> UsageReport:
        """Add up some days.

        Raises:
            InvalidError: `INVALID_DATE_RANGE`, `INVALID_CURSOR`; `REPORT_TOO_LARGE`, the days hold more than
                20,000 sums, or are more than 366.
        """
        start, end = self._range(query)
        days = list(itertools.islice(self._days(caller.organization_id, start, end), MAX_SUMS + 1))
        if len(days) > MAX_SUMS:
            raise InvalidError(
                "REPORT_TOO_LARGE",
                f"From {start} to {end} there are more than {MAX_SUMS:,} daily sums; ask for fewer days "
                f"(the first {MAX_SUMS:,} reach to {days[MAX_SUMS - 1].values['day']}).",
                field="start_date",
                limit=MAX_SUMS,
            )
        total = _usage(days)
        report = UsageReport(
            start_date=start,
            end_date=end,
            group_by=query.group_by,
            total_cost=total.cost,
            total_jobs=total.jobs,
            total_circuits=total.circuits,
            total_shots=total.shots,
            total_compute_seconds=total.compute_seconds,
            breakdown_by_backend=_costs(days),
        )
        return report.model_copy(update=self._breakdown(caller.organization_id, query, start, end, days))

    def _breakdown(
        self, organization_id: str, query: UsageQuery, start: date, end: date, days: list[Item]
    ) -> dict[str, object]:
        if query.group_by == "job":
            events, cursor = self._events(organization_id, query, start, end)
            return {"breakdown_by_job": events, "cursor": cursor}
        field, shown = _GROUPS[query.group_by]
        groups = _grouped(days, lambda item: item.values[field])
        return {shown: tuple(_ROWS[query.group_by](name, of) for name, of in groups)}

    def _range(self, query: UsageQuery) -> tuple[date, date]:
        today = self._clock.now().date()
        end = query.end_date or max(today, query.start_date or today)
        start = query.start_date or end.replace(day=1)
        if start > end:
            raise InvalidError("INVALID_DATE_RANGE", "end_date is not before start_date.", field="end_date")
        if end - start >= timedelta(days=MAX_DAYS):
            raise InvalidError(
                "REPORT_TOO_LARGE",
                f"One report covers at most {MAX_DAYS} days; ask for fewer at a time.",
                field="start_date",
                limit=MAX_DAYS,
            )
        return start, end

    def _days(self, organization_id: str, start: date, end: date) -> Iterator[Item]:
        items = walk(self._records, layout.usage(organization_id), after=start.isoformat())
        return itertools.takewhile(lambda item: item.values["day"] <= end.isoformat(), items)

    def _events(
        self, organization_id: str, query: UsageQuery, start: date, end: date
    ) -> tuple[tuple[CostEvent, ...], str | None]:
        after = f"event#{start.isoformat()}"
        if query.cursor is not None:
            found = _CURSOR.match(query.cursor)
            if found is None:
                raise InvalidError("INVALID_CURSOR", "A cursor comes from an earlier page.", field="cursor")
            after = max(after, f"event#{found[1]}#{found[2].replace(',', '#')}")
        page = self._records.query(layout.events(organization_id), after=after, limit=query.limit)
        events = [cost_event(item.values) for item in page.items]
        shown = tuple(event for event in events if event.created_at.date() <= end)
        more = page.next is not None and len(shown) == len(events)
        if not more:
            return shown, None
        ended, rest = page.items[-1].key.sort.removeprefix("event#").split("#", 1)
        return shown, f"{ended}_{rest.replace('#', ',')}"


def _grouped(items: Iterable[Item], by: Callable[[Item], str]) -> list[tuple[str, list[Item]]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(by(item), []).append(item)
    return sorted(groups.items())


def _costs(items: Iterable[Item]) -> dict[str, Money]:
    groups = _grouped(items, lambda item: item.values["backend"])
    return {backend: Money(sum(item.values["cost"] for item in of)) for backend, of in groups}


def _usage(items: list[Item]) -> Usage:
    def added(name: str) -> int:
        return sum(int(item.values[name]) for item in items)

    return Usage(
        cost=Money(added("cost")),
        jobs=added("jobs"),
        circuits=added("circuits"),
        shots=added("shots"),
        compute_seconds=added("compute_ms") / 1_000,
    )


_GROUPS = {
    "day": ("day", "breakdown_by_day"),
    "backend": ("backend", "backends"),
    "user": ("user_id", "breakdown_by_user"),
    "key": ("key_id", "breakdown_by_key"),
}
"""By what the daily sums are grouped, and where the groups stand in the report."""

_ROWS: dict[str, Callable[[str, list[Item]], Usage]] = {
    "day": lambda name, of: DayUsage(
        date=date.fromisoformat(name), backend_breakdown=_costs(of), **dict(_usage(of))
    ),
    "backend": lambda name, of: BackendUsage(backend=name, **dict(_usage(of))),
    "user": lambda name, of: UserUsage(user_id=name, **dict(_usage(of))),
    "key": lambda name, of: KeyUsage(key_id=name or None, **dict(_usage(of))),
}
