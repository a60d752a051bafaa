"""Shows an organisation's budget, and changes it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller
from ketbase.audit.lines import line
from ketbase.costs import months
from ketbase.costs.alerts import Alerts, place, reached
from ketbase.costs.budget import AlertRequest, AlertView, BudgetView, Paused, UpdateBudget
from ketbase.errors import InvalidError
from ketbase.ledger.service import Ledger
from ketbase.ledger.types import Budget, BudgetAlert, Standing
from ketbase.money import MOST, Money
from ketbase.notices.webhooks import check_webhook, hint
from ketbase.ports.clock import Clock
from ketbase.ports.records import Records
from ketbase.vault import SealedError, Vault

_UNREADABLE = "…"
_LEAST_ELAPSED = timedelta(days=1)
"""A projection does not multiply the first hours of a month by hundreds."""


class Budgets:
    """The budget of the caller's organisation."""

    def __init__(
        self,
        records: Records,
        ledger: Ledger,
        alerts: Alerts,
        accounts: AccountStore,
        vault: Callable[[], Vault],
        clock: Clock,
        *,
        webhook_hosts: tuple[str, ...],
    ):
        """Wire it.

        Args:
            records: the store that all writes go to.
            ledger: the books.
            alerts: looked at when the budget changed.
            accounts: where the organisation's own webhook is.
            vault: asked for where there is something to seal or to open.
            clock: the time.
            webhook_hosts: what webhooks may call.
        """
        self._records = records
        self._ledger = ledger
        self._alerts = alerts
        self._accounts = accounts
        self._vault = vault
        self._clock = clock
        self._webhook_hosts = webhook_hosts

    def get(self, caller: Caller) -> BudgetView:
        """Show the budget and this month's account."""
        budget = self._ledger.budget(caller.organization_id)
        return self._view(self._ledger.standing(caller.organization_id), budget)

    def update(self, caller: Caller, body: UpdateBudget) -> BudgetView:
        """Set the limit and the alerts, from this month on. Where the new limit is higher, a pause may end.

        Raises:
            InvalidError: `INVALID_WEBHOOK`; `WEBHOOK_MISSING`, neither the alert nor the organisation has one.
        """
        before = self._ledger.budget(caller.organization_id)
        known = {self._shown(alert.webhook): alert.webhook for alert in before.alerts if alert.webhook is not None}
        after = Budget(
            monthly_limit=body.monthly_limit,
            alerts=tuple(self._sealed(caller, alert, known) for alert in body.alerts),
            updated_at=self._clock.now(),
        )
        changed = line(
            self._clock,
            caller,
            "budget.updated",
            caller.organization_id,
            monthly_limit=str(after.monthly_limit),
            monthly_limit_before=str(before.monthly_limit),
            alerts=[f"{alert.threshold} % {alert.action}" for alert in after.alerts],
        )
        self._records.write(*self._ledger.budget_writes(caller.organization_id, after), changed)
        self._alerts.check(caller.organization_id)
        return self.get(caller)

    def _sealed(self, caller: Caller, asked: AlertRequest, known: dict[str, str]) -> BudgetAlert:
        alert = BudgetAlert(threshold=asked.threshold, action=asked.action, recipients=asked.recipients)
        if asked.action != "slack":
            return alert
        if asked.webhook is None:
            organization = self._accounts.organization(caller.organization_id)
            if organization is None or organization.settings.slack_webhook is None:
                raise InvalidError(
                    "WEBHOOK_MISSING",
                    "The action slack needs a webhook, here or in the organisation's settings (slack_webhook).",
                    field="alerts",
                )
            return alert
        if asked.webhook in known:
            return alert.model_copy(update={"webhook": known[asked.webhook]})
        check_webhook(asked.webhook, self._webhook_hosts)
        return alert.model_copy(update={"webhook": self._vault().seal(asked.webhook)})

    def _shown(self, sealed: str) -> str:
        try:
            return hint(self._vault().open(sealed))
        except SealedError:
            return _UNREADABLE

    def _view(self, standing: Standing, budget: Budget) -> BudgetView:
        limit = budget.monthly_limit if standing.limit is None else standing.limit
        return BudgetView(
            month=standing.month,
            monthly_limit=limit,
            current_spend=standing.spent,
            reserved=standing.reserved,
            remaining=max(limit - standing.spent - standing.reserved, Money()),
            percentage_used=_percentage(standing.spent, limit),
            projected_monthly_spend=projection(standing.spent, standing.month, self._clock.now()),
            paused=self._paused(standing, budget, limit),
            alerts=tuple(self._alert_views(standing, budget)),
            updated_at=budget.updated_at,
        )

    def _paused(self, standing: Standing, budget: Budget, limit: Money) -> Paused:
        if self._ledger.pauses_waiting_jobs(standing.id):
            return "all_jobs"
        on = {alert.action for alert in budget.alerts if reached(alert, standing.spent, limit)}
        if "pause_new_jobs" in on or self._ledger.pauses_new_jobs(standing.id):
            return "new_jobs"
        return "none"

    def _alert_views(self, standing: Standing, budget: Budget) -> list[AlertView]:
        triggered = self._alerts.triggered(standing.id, standing.month, budget.alerts)
        views = []
        for alert in sorted(budget.alerts, key=lambda alert: (alert.threshold, alert.action)):
            since = triggered.get(place(standing.id, standing.month, alert))
            views.append(
                AlertView(
                    threshold=alert.threshold,
                    action=alert.action,
                    recipients=alert.recipients,
                    webhook=None if alert.webhook is None else self._shown(alert.webhook),
                    status="not_triggered" if since is None else "triggered",
                    triggered_at=since,
                )
            )
        return views


def projection(spent: Money, month: str, now: datetime) -> Money:
    """Say what is spent at a month's end if it goes on as until now; of a month that is over, what was spent."""
    whole = months.end(month) - months.begin(month)
    elapsed = min(max(now - months.begin(month), _LEAST_ELAPSED), whole)
    return Money(min(round(spent.nano * (whole / elapsed)), MOST))


def _percentage(spent: Money, limit: Money) -> float:
    if not limit:
        return 100.0 if spent else 0.0
    # Rounded down: 100 per cent are shown when they are reached, as the alerts count.
    return 10_000 * spent.nano // limit.nano / 100
