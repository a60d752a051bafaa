"""Tells people that a share of their budget is spent, once for each threshold, action and month."""

import logging

from ketbase.accounts.roles import Role
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Organization
from ketbase.audit.lines import system_line
from ketbase.costs import months
from ketbase.ledger.service import Ledger
from ketbase.ledger.types import AlertAction, BudgetAlert, Standing
from ketbase.money import Money
from ketbase.notices.outbox import notice
from ketbase.notices.types import Channel
from ketbase.ports.clock import Clock
from ketbase.ports.records import Absent, ConditionFailedError, Item, Key, Put, Records
from ketbase.types import Moment, iso

_LOG = logging.getLogger(__name__)

_MOST_WATCHERS = 50
"""How many are told; the claim and all notices of an alert go into one transaction."""

_WHOLE = 100
"""The threshold, in per cent, at which an alert also goes off when there is no room for a job."""
_FULL = 95
"""Per cent of the limit that must be spent or set aside for that: one huge job does not make a month full."""

_CONSEQUENCES: dict[AlertAction, str] = {
    "email": "Jobs go on as before.",
    "slack": "Jobs go on as before.",
    "pause_new_jobs": "New jobs are refused until the limit is raised or the month ends; waiting and running jobs "
    "go on.",
    "pause_jobs": "New jobs are refused and waiting jobs do not start until the limit is raised or the month ends; "
    "running jobs go on.",
}


_NO_ROOM = "New jobs are refused unless they fit into what is left."


class Alerts:
    """Watches what is spent. The claim of an alert and its notices are one transaction, so that neither a crash nor
    a second watcher makes one twice or never.
    """

    def __init__(self, records: Records, ledger: Ledger, accounts: AccountStore, clock: Clock):
        self._records = records
        self._ledger = ledger
        self._accounts = accounts
        self._clock = clock

    def check(self, organization_id: str, month: str | None = None) -> None:
        """Look at one organisation's month (this one, where none is named) after something was settled.

        Never raises: the job that was settled has nothing to do with what goes wrong here, and the schedule looks
        again.
        """
        try:
            self._look(self._ledger.standing(organization_id, month))
        except Exception:  # noqa: BLE001 (see above)
            _LOG.exception("the budget alerts of %s could not be checked", organization_id)

    def refused(self, organization_id: str, month: str | None = None) -> None:
        """Look at a month (this one, where none is named) that had no room for a job; never raises.

        Each job settles below its ceiling, so that what is spent seldom equals the limit: a month is used up when
        what is set aside leaves no room.
        """
        try:
            self._look(self._ledger.standing(organization_id, month), refused=True)
        except Exception:  # noqa: BLE001 (the refusal has nothing to do with what goes wrong here)
            _LOG.exception("the budget alerts of %s could not be checked", organization_id)

    def check_all(self) -> int:
        """Look at every organisation's account of this month and the last, whose last jobs may end only now.

        Returns:
            How many accounts were looked at.
        """
        looked = 0
        for month in (self._ledger.month, months.month_before(self._ledger.month)):
            for standing in self._ledger.standings(month):
                looked += 1
                self.check(standing.id, standing.month)
        return looked

    def triggered(self, organization_id: str, month: str, alerts: tuple[BudgetAlert, ...]) -> dict[Key, Moment]:
        """Say which of some alerts went off in a month, and when, by their place."""
        places = [place(organization_id, month, alert) for alert in alerts]
        return {item.key: item.values["triggered_at"] for item in self._records.get_many(places)}

    def _look(self, standing: Standing, *, refused: bool = False) -> None:
        if not standing.limit:
            return
        full = refused and _share(standing.spent + standing.reserved, standing.limit, _FULL)
        if not standing.spent and not full:
            return
        budget = self._ledger.budget(standing.id)
        if budget.updated_at is not None and budget.updated_at >= months.end(standing.month):
            return  # these alerts did not stand when the month ended
        due = [
            alert
            for alert in budget.alerts
            if reached(alert, standing.spent, standing.limit) or (full and alert.threshold == _WHOLE)
        ]
        if not due:
            return
        known = self.triggered(standing.id, standing.month, budget.alerts)
        fresh = [alert for alert in due if place(standing.id, standing.month, alert) not in known]
        organization = self._accounts.organization(standing.id) if fresh else None
        told = [alert for alert in fresh if organization and self._set_off(organization, standing, alert)]
        if any(_pauses(alert, standing) and alert not in told for alert in due):
            self._pause(standing)  # it went off before, under another limit, or there is nobody to tell
        if organization and len(told) < len(fresh):
            _LOG.error("nobody in %s has an address: its budget alerts wait until somebody does", organization.id)

    def _pause(self, standing: Standing) -> None:
        try:
            self._records.write(self._ledger.pause(standing))
        except ConditionFailedError:
            _LOG.info("the limit of %s was set anew meanwhile", standing.id)

    def _set_off(self, organization: Organization, standing: Standing, alert: BudgetAlert) -> bool:
        """Claim an alert and tell of it; `False` leaves it for a later look, where there is nobody to tell."""
        notices = self._notices(organization, standing, alert)
        if not notices:
            return False
        now = self._clock.now()
        claim = {
            "threshold": alert.threshold,
            "action": alert.action,
            "triggered_at": iso(now),
            "spent": standing.spent.nano,
            "limit": standing.limit.nano if standing.limit else 0,
        }
        told = system_line(
            self._clock,
            organization.id,
            "budget.alert",
            organization.id,
            threshold=alert.threshold,
            alert_action=alert.action,
            month=standing.month,
            spent=str(standing.spent),
            reserved=str(standing.reserved),
            limit=str(standing.limit),
        )
        where = place(organization.id, standing.month, alert)
        pause = [self._ledger.pause(standing)] if _pauses(alert, standing) else []
        try:
            self._records.write(Put(Item(where, claim), (Absent(),)), told, *notices, *pause)
        except ConditionFailedError:
            # Or the limit was set anew meanwhile, and there is room again.
            _LOG.info("another watcher set off the alert at %s %% of %s", alert.threshold, organization.id)
        return True

    def _notices(self, organization: Organization, standing: Standing, alert: BudgetAlert) -> list[Put]:
        short = _short(alert, standing)
        how = "spent or set aside" if short else "spent"
        consequence = _CONSEQUENCES[alert.action]
        if short:  # what waits has its money set aside, and goes on
            consequence = {"pause_new_jobs": _NO_ROOM, "pause_jobs": _CONSEQUENCES["pause_new_jobs"]}.get(
                alert.action, consequence
            )
        subject = f"{organization.name}: {alert.threshold} % of the budget for {standing.month} is {how}"
        but = ", and another found no room" if short else ""
        text = (
            f"${standing.spent} of ${standing.limit} are spent in {standing.month}; ${standing.reserved} more are "
            f"set aside for jobs that are not over{but}. {consequence}\n\n"
            "GET /v1/usage says what it was spent on, and PUT /v1/budget changes the limit."
        )
        about = f"{organization.id} alert {standing.month} {alert.threshold} {alert.action}"
        if alert.action == "slack":
            webhook = alert.webhook or organization.settings.slack_webhook
            if webhook:
                return [self._notice(organization, "slack", webhook, subject, text, about)]
        addresses = dict.fromkeys(alert.recipients or self._watchers(organization.id))
        return [self._notice(organization, "email", to, subject, text, about) for to in addresses]

    def _notice(
        self, organization: Organization, channel: Channel, to: str, subject: str, text: str, about: str
    ) -> Put:
        return notice(self._clock, organization.id, channel, to, subject, text, about=about)

    def _watchers(self, organization_id: str) -> list[str]:
        """Name the addresses of the owners and admins who want mail; of all of them where none does."""
        found = [
            (user.email, user.preferences.notifications.email)
            for user in self._accounts.users(organization_id)
            if user.email and user.role.rank >= Role.ADMIN.rank
        ]
        wanting = [address for address, wants in found if wants]
        return (wanting or [address for address, _ in found])[:_MOST_WATCHERS]


def place(organization_id: str, month: str, alert: BudgetAlert) -> Key:
    """Where it is kept that an alert went off."""
    return Key(f"org#{organization_id}", f"alert#{month}#{alert.threshold:03d}#{alert.action}")


def reached(alert: BudgetAlert, spent: Money, limit: Money) -> bool:
    """Say whether so much of a limit is spent."""
    return _share(spent, limit, alert.threshold)


def _share(amount: Money, limit: Money, percent: int) -> bool:
    return amount.nano * 100 >= limit.nano * percent


def _short(alert: BudgetAlert, standing: Standing) -> bool:
    """Say whether an alert that goes off does so for lack of room, before so much is spent."""
    return standing.limit is not None and not reached(alert, standing.spent, standing.limit)


def _pauses(alert: BudgetAlert, standing: Standing) -> bool:
    """Say whether it is to be kept that an alert holds jobs back; where enough is spent, that is seen from it."""
    return alert.action == "pause_jobs" and _short(alert, standing)
