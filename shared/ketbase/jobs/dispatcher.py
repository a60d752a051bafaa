"""Starts waiting jobs, the best of each organisation in turn, as many as the limits allow."""

from ketbase.accounts.store import AccountStore
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobStatus
from ketbase.ledger.service import Ledger
from ketbase.ports.clock import Clock
from ketbase.ports.workflows import Workflows

_LOOK_AHEAD = 10
_LAG_PAUSES_S = (0.1, 0.2, 0.4, 0.8)


class Dispatcher:
    """Any number of dispatchers may work at the same moment; a job is started by one of them."""

    def __init__(
        self,
        store: JobStore,
        accounts: AccountStore,
        ledger: Ledger,
        workflows: Workflows,
        clock: Clock,
        *,
        at_most_running: int,
        at_most_in_all: int,
    ):
        """Wire a dispatcher.

        Args:
            store: where the jobs wait.
            accounts: what each organisation set for itself.
            ledger: whether its budget holds its jobs back.
            workflows: what runs them.
            clock: the time.
            at_most_running: jobs of one organisation at a moment, where it set no lower number.
            at_most_in_all: jobs of the installation at a moment.
        """
        self._store = store
        self._accounts = accounts
        self._ledger = ledger
        self._workflows = workflows
        self._clock = clock
        self._at_most_running = at_most_running
        self._at_most_in_all = at_most_in_all

    def dispatch(self) -> list[Job]:
        """Start jobs until none is left that may start.

        Organisations take turns, one job each, so that one with a thousand waiting jobs delays no other.

        Returns:
            The jobs that were started.
        """
        started: list[Job] = []
        waiting = {
            organization_id: limit
            for organization_id in self._store.waiting_organizations()
            if (limit := self._limit(organization_id)) and not self._ledger.pauses_waiting_jobs(organization_id)
        }
        while waiting:
            still_waiting = {}
            for organization_id, limit in waiting.items():
                job = self._start_next(organization_id, limit)
                if job is not None:
                    started.append(job)
                    still_waiting[organization_id] = limit
            waiting = still_waiting
        return started

    def _limit(self, organization_id: str) -> int:
        """How many jobs of an organisation may run at one moment; none of one that is being erased."""
        kept = self._accounts.kept_organization(organization_id)
        if kept is not None and kept.deleted_at:
            return 0
        own = None if kept is None else kept.organization.settings.max_concurrent_jobs
        return self._at_most_running if own is None else min(own, self._at_most_running)

    def _start_next(self, organization_id: str, at_most_running: int) -> Job | None:
        for candidate in self._candidates(organization_id):
            # A candidate may be gone, because another dispatcher took it or the index lags behind.
            job = self._store.start(candidate, at_most_running=at_most_running, at_most_in_all=self._at_most_in_all)
            if job is not None:
                self._workflows.start(job.kind, job.execution, job.reference.model_dump())
                return job
        return None

    def _candidates(self, organization_id: str) -> list[Job]:
        """Read who is next. Jobs wait there for sure, but the queue is an index, which may lag behind a moment."""
        for pause in _LAG_PAUSES_S:
            candidates = self._store.next_waiting(organization_id, _LOOK_AHEAD)
            if candidates or not self._store.count(organization_id, [JobStatus.QUEUED]):
                return candidates
            self._clock.sleep(pause)
        return []
