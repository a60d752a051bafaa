"""Compares jobs with their cost events, and both with the accounts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ketbase.jobs.types import Job
from ketbase.ledger.types import CostEvent
from ketbase.money import Money
from ketbase.types import Model

type Kind = Literal[
    "event_missing",
    "event_early",
    "event_twice",
    "job_missing",
    "amount_differs",
    "reservation_differs",
    "above_ceiling",
    "payer_differs",
    "spent_differs",
    "reserved_differs",
    "committed_differs",
    "usage_differs",
]


class Discrepancy(Model):
    """One disagreement.

    Attributes:
        subject: the job, the account (`organization#…`, `user#…`, `key#…`), or the day.
        expected: what follows from the jobs, or from the job's cost event.
        found: what stands there instead.
    """

    kind: Kind
    organization_id: str
    month: str
    subject: str
    expected: str = ""
    found: str = ""


@dataclass(slots=True)
class Books:
    """What was read of one organisation.

    Attributes:
        events: by job; more than one of a job is a fault.
        accounts: by month and account, the counters `spent`, `reserved` and `committed`.
        usage: the daily sums of the costs, by day.
    """

    jobs: dict[str, Job] = field(default_factory=dict)
    events: dict[str, list[CostEvent]] = field(default_factory=lambda: defaultdict(list))
    accounts: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    usage: dict[str, int] = field(default_factory=dict)

    @property
    def all_events(self) -> Iterator[CostEvent]:
        """The events of all jobs."""
        return (event for events in self.events.values() for event in events)


def discrepancies(
    organization_id: str, books: Books, compared: tuple[str, ...], *, jobs_since: datetime
) -> Iterator[Discrepancy]:
    """Name all that disagrees in some months.

    Args:
        organization_id: whose books they are.
        books: as they were read.
        compared: the months.
        jobs_since: the jobs of older cost events are forgotten.
    """
    for job in books.jobs.values():
        events = books.events.get(job.id, [])
        if not {job.month, *(event.month for event in events)}.isdisjoint(compared):
            yield from _job_discrepancies(job, events)
    for event in books.all_events:
        if (
            event.jobs
            and event.job_id not in books.jobs
            and event.month in compared
            and event.created_at > jobs_since
        ):
            yield _of(event, "job_missing", found=event.amount)
    for month in compared:
        yield from _account_discrepancies(organization_id, month, books)
    yield from _usage_discrepancies(organization_id, books)


def _job_discrepancies(job: Job, events: list[CostEvent]) -> Iterator[Discrepancy]:
    def wrong(kind: Kind, expected: object = "", found: object = "") -> Discrepancy:
        return Discrepancy(
            kind=kind,
            organization_id=job.organization_id,
            month=job.month,
            subject=job.id,
            expected=str(expected),
            found=str(found),
        )

    if not job.status.final:
        if events:
            yield wrong("event_early", found=events[0].amount)
        return
    if not events:
        yield wrong("event_missing", expected=job.actual_cost)
        return
    if len(events) > 1:
        yield wrong("event_twice", 1, len(events))
    event = events[0]
    if event.amount != job.actual_cost:
        yield wrong("amount_differs", event.amount, job.actual_cost)
    if event.reserved != job.reserved_cost:
        yield wrong("reservation_differs", event.reserved, job.reserved_cost)
    if event.amount > event.reserved:
        yield wrong("above_ceiling", event.reserved, event.amount)
    payer, paid = (job.month, job.user_id, job.key_id), (event.month, event.user_id, event.key_id)
    if payer != paid:
        yield wrong("payer_differs", paid, payer)


def _account_discrepancies(organization_id: str, month: str, books: Books) -> Iterator[Discrepancy]:
    spent: defaultdict[str, int] = defaultdict(int)
    reserved: defaultdict[str, int] = defaultdict(int)
    for event in books.all_events:
        if event.month == month:
            _add(spent, _payers(organization_id, event.user_id, event.key_id), event.amount)
    for job in books.jobs.values():
        if job.month == month and not job.status.final:
            _add(reserved, _payers(organization_id, job.user_id, job.key_id), job.reserved_cost)
    accounts = books.accounts[month]
    for account in sorted(accounts.keys() | spent.keys() | reserved.keys()):
        counters = accounts.get(account, {})
        stands = {name: counters.get(name, 0) for name in ("spent", "reserved", "committed")}
        comparisons: tuple[tuple[Kind, int, int], ...] = (
            ("spent_differs", spent[account], stands["spent"]),
            ("reserved_differs", reserved[account], stands["reserved"]),
            ("committed_differs", stands["spent"] + stands["reserved"], stands["committed"]),
        )
        for kind, expected, found in comparisons:
            if expected != found:
                yield Discrepancy(
                    kind=kind,
                    organization_id=organization_id,
                    month=month,
                    subject=account,
                    expected=str(Money(expected)),
                    found=str(Money(found)),
                )


def _payers(organization_id: str, user_id: str, key_id: str | None) -> list[str]:
    keys = [] if key_id is None else [f"key#{key_id}"]
    return [f"organization#{organization_id}", f"user#{user_id}", *keys]


def _add(sums: defaultdict[str, int], accounts: Iterable[str], amount: Money) -> None:
    for account in accounts:
        sums[account] += amount.nano


def _of(event: CostEvent, kind: Kind, found: object) -> Discrepancy:
    return Discrepancy(
        kind=kind,
        organization_id=event.organization_id,
        month=event.month,
        subject=event.job_id,
        found=str(found),
    )


def _usage_discrepancies(organization_id: str, books: Books) -> Iterator[Discrepancy]:
    expected: defaultdict[str, int] = defaultdict(int)
    for event in books.all_events:
        expected[f"{event.created_at:%Y-%m-%d}"] += event.amount.nano
    for day in sorted(expected.keys() | books.usage.keys()):
        found = books.usage.get(day, 0)
        if expected[day] != found:
            yield Discrepancy(
                kind="usage_differs",
                organization_id=organization_id,
                month=day[:7],
                subject=day,
                expected=str(Money(expected[day])),
                found=str(Money(found)),
            )
