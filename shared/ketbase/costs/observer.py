"""What follows from a job's end or refusal: its user is told, and the budget's alerts are looked at."""

import logging

from ketbase.accounts.store import AccountStore
from ketbase.costs.alerts import Alerts
from ketbase.jobs.types import Job
from ketbase.notices.jobs import notices_of
from ketbase.ports.clock import Clock
from ketbase.ports.records import Write

_LOG = logging.getLogger(__name__)


class CostObserver:
    """The observer of the store of jobs; see `ketbase.jobs.store.Observer`."""

    def __init__(self, accounts: AccountStore, alerts: Alerts, clock: Clock):
        self._accounts = accounts
        self._alerts = alerts
        self._clock = clock

    def farewell(self, job: Job) -> list[Write]:
        """Give the notices to the job's user."""
        try:
            kept = self._accounts.kept(job.organization_id, job.user_id)
        except Exception:  # noqa: BLE001 (a job ends whether or not anybody can be told)
            _LOG.exception("nobody could be told of the end of job %s", job.id)
            return []
        if kept is None:
            return []
        organization, user = kept
        return [*notices_of(self._clock, job, user.user, organization.organization)]

    def ended(self, job: Job) -> None:
        """Look at the alerts of the month that paid."""
        if job.actual_cost:
            self._alerts.check(job.organization_id, job.month)

    def refused(self, job: Job) -> None:
        """Look at the alerts of the month that had no room."""
        self._alerts.refused(job.organization_id, job.month)
