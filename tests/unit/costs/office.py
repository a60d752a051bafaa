"""An organisation with its people, its budget and its jobs, over the real store."""

from datetime import datetime, timedelta
from pathlib import Path

from ketbase.accounts.roles import Role
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller, Notifications, Organization, OrganizationSettings, Preferences, User
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.adapters.webhooks.https import HttpsWebhooks
from ketbase.costs.alerts import Alerts
from ketbase.costs.budget import UpdateBudget
from ketbase.costs.budgets import Budgets
from ketbase.costs.observer import CostObserver
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobError
from ketbase.ledger.types import Charge
from ketbase.money import Money
from ketbase.notices.deliverer import Deliverer
from ketbase.vault import Vault
from tests.fakes import KeptMail, TurnedClock, books, new_job

VAULT = Vault(["a secret of the installation"])


class Office:
    """Acme: Olga owns it, Adam administers, Dana develops. They may spend $100 a month."""

    def __init__(self, folder: Path, *, hosts: tuple[str, ...] = ("hooks.slack.com",), slack: str | None = None):
        self.clock = TurnedClock()
        self.records = SqliteRecords(folder / "records.db", self.clock)
        self.ledger = books(self.records, self.clock, "100")
        self.accounts = AccountStore(self.records)
        self.alerts = Alerts(self.records, self.ledger, self.accounts, self.clock)
        self.store = JobStore(
            self.records, self.clock, self.ledger, CostObserver(self.accounts, self.alerts, self.clock)
        )
        self.budgets = Budgets(
            self.records,
            self.ledger,
            self.alerts,
            self.accounts,
            lambda: VAULT,
            self.clock,
            webhook_hosts=hosts,
        )
        self.mail = KeptMail()
        self.deliverer = Deliverer(
            self.records,
            self.mail,
            HttpsWebhooks(hosts),
            VAULT.open,
            self.clock,
            patience=timedelta(seconds=40),
        )
        settings = OrganizationSettings(slack_webhook=slack and VAULT.seal(slack))
        self.found("org_a", "Acme", settings)
        for name, role in (("olga", Role.OWNER), ("adam", Role.ADMIN), ("dana", Role.DEVELOPER)):
            self.join("org_a", name, role)
        self.olga = Caller(organization_id="org_a", user_id="user_olga", scopes=frozenset({"*"}))

    def found(self, organization_id: str, name: str, settings: OrganizationSettings | None = None) -> None:
        now = self.clock.now()
        organization = Organization(
            id=organization_id,
            name=name,
            settings=settings or OrganizationSettings(),
            created_at=now,
            updated_at=now,
        )
        self.records.write(self.accounts.new_organization(organization))

    def join(self, organization_id: str, name: str, role: Role, **notifications: bool | str) -> None:
        now = self.clock.now()
        user = User(
            id=f"user_{name}",
            organization_id=organization_id,
            email=f"{name}@acme.example",
            name=name.capitalize(),
            role=role,
            preferences=Preferences(notifications=Notifications(**notifications)),
            created_at=now,
            updated_at=now,
        )
        self.records.write(self.accounts.new_user(user))

    def set_budget(self, limit: str | float, *alerts: dict[str, object]) -> None:
        body = UpdateBudget.model_validate({"monthly_limit": limit, "alerts": alerts})
        self.budgets.update(self.olga, body)

    def started(self, ceiling: str = "5", user: str = "user_nobody", **fields: object) -> Job:
        job = new_job(self.clock, reserved_cost=Money.of(ceiling), user_id=user, **fields)
        job = self.store.submit(job, None, "")
        started = self.store.start(job, at_most_running=99, at_most_in_all=99)
        assert started is not None
        return started

    def spend(self, amount: str, user: str = "user_nobody", **used: object) -> Job:
        """Run a job that costs so much."""
        fields = {name: used.pop(name) for name in ("backend", "key_id", "organization") if name in used}
        job = self.started(amount, user, **fields)
        charge = Charge(amount=Money.of(amount), **used)
        done = self.store.complete(job, "done", {}, charge)
        assert done is not None
        return done

    def fail(self, amount: str, user: str) -> Job:
        job = self.started(amount, user)
        done = self.store.fail(job, JobError(code="BROKEN", message="It broke."), Charge(amount=Money.of(amount)))
        assert done is not None
        return done

    def deliver(self) -> None:
        self.clock.turn(1)
        self.deliverer.deliver()

    def turn_to(self, moment: datetime) -> None:
        self.clock.moment = moment

    @property
    def mails(self) -> list[tuple[str, str]]:
        return [(to, subject) for to, subject, _ in self.mail.sent]
