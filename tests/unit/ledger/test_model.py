"""Whatever happens to jobs in whatever order, the books say what the jobs say, to the nano-dollar."""

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.errors import BudgetError
from ketbase.jobs.types import JobError, Progress
from ketbase.ledger import layout
from ketbase.ledger.types import Budget, Charge, CostEvent
from ketbase.money import Money
from tests.fakes import TurnedClock, books, job_store, new_job

ORGANIZATIONS = ("org_a", "org_b")
amounts = st.integers(0, 400_000_000).map(Money)


class Books(RuleBasedStateMachine):
    waiting = Bundle("waiting")
    running = Bundle("running")

    def __init__(self):
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.clock = TurnedClock()
        self.records = SqliteRecords(Path(self._folder.name) / "r.db", self.clock)
        self.ledger = books(self.records, self.clock, "1")
        self.store = job_store(self.records, self.clock, "1")
        self.ids = []
        self.limits = dict.fromkeys(ORGANIZATIONS, Money.of(1))
        self.own = {}

    def teardown(self):
        self.records.close()
        self._folder.cleanup()

    def room(self, organization, user, month):
        jobs = [j for j in self.jobs(organization) if j.month == month]
        taken = [(j.actual_cost if j.status.final else j.reserved_cost, j.user_id) for j in jobs]
        left = self.limits[organization] - sum((cost for cost, _ in taken), Money())
        own = self.own.get((organization, user))
        if own is None:
            return left
        return min(left, own - sum((cost for cost, who in taken if who == user), Money()))

    def jobs(self, organization):
        return [self.store.get(o, i) for o, i in self.ids if o == organization]

    @rule(
        target=waiting,
        organization=st.sampled_from(ORGANIZATIONS),
        user=st.sampled_from(["user_1", "user_2"]),
        key=st.sampled_from([None, "key_1"]),
        ceiling=amounts,
    )
    def submit(self, organization, user, key, ceiling):
        job = new_job(self.clock, organization, user_id=user, key_id=key, reserved_cost=ceiling)
        room = self.room(organization, user, self.ledger.month)
        try:
            self.store.submit(job, None, "")
        except BudgetError:
            assert ceiling > room
            return None
        assert ceiling <= max(room, Money())
        self.ids.append((organization, job.id))
        return organization, job.id

    @rule(target=running, job=consumes(waiting))
    def start(self, job):
        if job is None or (found := self.store.get(*job)) is None:
            return None
        return job if self.store.start(found, at_most_running=99, at_most_in_all=99) else None

    @rule(job=running, cost=amounts)
    def use(self, job, cost):
        if job is not None:
            self.store.report(self.store.get(*job), "x", "", Progress(), Charge(amount=cost, shots=3))

    @rule(job=running, more=amounts)
    def extend(self, job, more):
        if job is None or (found := self.store.get(*job)).status.final:
            return
        room = self.room(found.organization_id, found.user_id, found.month)
        try:
            self.store.extend(found, more)
        except BudgetError:
            assert more > room
        else:
            assert more <= max(room, Money())

    @rule(job=running, how=st.sampled_from(["complete", "fail", "cancel", "requeue"]))
    def end(self, job, how):
        if job is None:
            return
        found = self.store.get(*job)
        match how:
            case "complete":
                self.store.complete(found, "", {})
            case "fail":
                self.store.fail(found, JobError(code="X", message="x"))
            case "cancel":
                self.store.cancel(found)
            case "requeue":
                self.store.requeue(found, "died")

    @rule(organization=st.sampled_from(ORGANIZATIONS), limit=st.integers(0, 2_000_000_000).map(Money))
    def set_budget(self, organization, limit):
        self.records.write(*self.ledger.budget_writes(organization, Budget(monthly_limit=limit)))
        self.limits[organization] = limit

    @rule(organization=st.sampled_from(ORGANIZATIONS), limit=st.none() | amounts)
    def limit_user(self, organization, limit):
        self.records.write(*self.ledger.limit_writes(organization, "user_1", limit))
        self.own[organization, "user_1"] = limit

    @rule(days=st.integers(1, 40))
    def wait(self, days):
        self.clock.moment += timedelta(days=days)

    @invariant()
    def the_books_say_what_the_jobs_say(self):
        for organization in ORGANIZATIONS:
            jobs = self.jobs(organization)
            for month in {j.month for j in jobs}:
                mine = [j for j in jobs if j.month == month]
                standing = self.ledger.standing(organization, month)
                assert standing.reserved == total(j.reserved_cost for j in mine if not j.status.final)
                assert standing.spent == total(j.actual_cost for j in mine if j.status.final)
                for user in {j.user_id for j in mine}:
                    own = self.ledger.standing_of(organization, user, month)
                    assert own.spent == total(j.actual_cost or Money() for j in mine if j.user_id == user)
            events = self.events(organization)
            assert {e.job_id: e.amount for e in events} == {j.id: j.actual_cost for j in jobs if j.status.final}
            days = self.records.query(layout.usage(organization), limit=1_000).items
            assert Money(sum(d.values["cost"] for d in days)) == total(e.amount for e in events)
            assert sum(d.values["shots"] for d in days) == sum(e.shots for e in events)

    def events(self, organization):
        page = self.records.query(layout.events(organization), limit=1_000)
        return [CostEvent.model_validate(item.values) for item in page.items]


def total(amounts):
    return sum(amounts, Money())


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
