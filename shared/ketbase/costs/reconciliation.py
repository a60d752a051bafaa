"""Finds where the books and the jobs disagree; repairs nothing, for a disagreement is a fault that people must see.

An organisation's jobs, cost events and accounts are read one after the other while jobs go on. They are compared
only where the accounts did not move meanwhile, and only what two such readings show is reported.
"""

import logging
from collections.abc import Iterator
from datetime import timedelta

from ketbase.accounts.store import AccountStore
from ketbase.costs import months
from ketbase.costs.discrepancies import Books, Discrepancy, discrepancies
from ketbase.jobs.layout import TALLIES
from ketbase.jobs.store import JobStore
from ketbase.ledger import layout
from ketbase.ledger.entries import cost_event
from ketbase.ports.clock import Clock
from ketbase.ports.records import Item, Key, Put, Records, walk
from ketbase.types import Model, Moment, iso

_LOG = logging.getLogger(__name__)

REPORTS = "reconciliations"
"""The partition of the reports, in order of time."""
_KEPT = timedelta(days=400)
_MOST_LISTED = 200
_TRIES = 5
_QUIET_S = 1.0


class Report(Model):
    """One reconciliation.

    Attributes:
        busy: organisations whose accounts moved all the time, so that they were not compared.
        discrepancies: the first ones; `count` says how many there are.
    """

    created_at: Moment
    months: tuple[str, ...]
    organizations: int
    jobs: int
    events: int
    busy: tuple[str, ...]
    count: int
    discrepancies: tuple[Discrepancy, ...]


class Reconciler:
    """Compares this month and the last, whose last jobs may have ended only now."""

    def __init__(
        self, records: Records, jobs: JobStore, accounts: AccountStore, clock: Clock, *, jobs_kept: timedelta
    ):
        """Wire a reconciler.

        Args:
            records: where the books lie.
            jobs: the jobs.
            accounts: says which organisations are being erased; their books fall apart rightly.
            clock: the time.
            jobs_kept: how long a job is kept after its end; an older cost event has no job any more.
        """
        self._records = records
        self._jobs = jobs
        self._account_store = accounts
        self._clock = clock
        self._jobs_kept = jobs_kept

    def reconcile(self) -> Report:
        """Look at every organisation, and keep a report."""
        now = self._clock.now()
        this = layout.month_of(now)
        compared = (months.month_before(this), this)
        found: list[Discrepancy] = []
        busy: list[str] = []
        jobs = events = 0
        organizations = self._organizations(compared)
        for organization_id in organizations:
            books = self._quiet(organization_id, compared)
            seems = [] if books is None else list(self._compare(organization_id, books, compared))
            if seems:
                # Of what is true, two readings say the same.
                books = self._quiet(organization_id, compared)
                places = {(each.kind, each.month, each.subject) for each in seems}
                again = [] if books is None else self._compare(organization_id, books, compared)
                found += [each for each in again if (each.kind, each.month, each.subject) in places]
            if books is None:
                busy.append(organization_id)
                continue
            jobs, events = jobs + len(books.jobs), events + sum(map(len, books.events.values()))
        for each in found:
            _LOG.error("the ledger disagrees: %s of %s", each.kind, each.subject, extra=each.model_dump())
        report = Report(
            created_at=now,
            months=compared,
            organizations=len(organizations),
            jobs=jobs,
            events=events,
            busy=tuple(busy),
            count=len(found),
            discrepancies=tuple(found[:_MOST_LISTED]),
        )
        kept = Item(
            Key(REPORTS, iso(now)), report.model_dump(mode="json"), expires_at=int((now + _KEPT).timestamp())
        )
        self._records.write(Put(kept))
        return report

    def _compare(self, organization_id: str, books: Books, compared: tuple[str, ...]) -> Iterator[Discrepancy]:
        jobs_since = self._clock.now() - self._jobs_kept
        return discrepancies(organization_id, books, compared, jobs_since=jobs_since)

    # --- Reading ---

    def _organizations(self, compared: tuple[str, ...]) -> list[str]:
        partitions = (TALLIES, *map(layout.month_partition, compared))
        found = sorted({item.key.sort for partition in partitions for item in walk(self._records, partition)})
        return [each for each in found if self._account_store.organization(each) is not None]

    def _quiet(self, organization_id: str, compared: tuple[str, ...]) -> Books | None:
        """Read an organisation between two equal readings of its accounts; `None` where it never rests."""
        for _ in range(_TRIES):
            before = self._accounts(organization_id, compared)
            books = Books(accounts=before)
            begin = months.begin(compared[0])
            for job in self._jobs.walk(organization_id, (), after=None, descending=True):
                if job.created_at < begin:
                    break
                books.jobs[job.id] = job
            for item in walk(self._records, layout.events(organization_id), after=f"event#{compared[0]}"):
                event = cost_event(item.values)
                books.events[event.job_id].append(event)
            for item in walk(self._records, layout.usage(organization_id), after=compared[0]):
                day = item.values["day"]
                books.usage[day] = books.usage.get(day, 0) + item.values["cost"]
            if self._accounts(organization_id, compared) == before:
                return books
            self._clock.sleep(_QUIET_S)
        return None

    def _accounts(self, organization_id: str, compared: tuple[str, ...]) -> dict[str, dict[str, dict[str, int]]]:
        found: dict[str, dict[str, dict[str, int]]] = {}
        for month in compared:
            own = self._records.get(Key(layout.month_partition(month), organization_id))
            found[month] = {} if own is None else {f"organization#{organization_id}": _counters(own)}
            for item in walk(self._records, f"org#{organization_id}#ledger#{month}"):
                found[month][item.key.sort] = _counters(item)
        return found


def _counters(item: Item) -> dict[str, int]:
    return {name: int(item.values.get(name, 0)) for name in ("spent", "reserved", "committed")}
