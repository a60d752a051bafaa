"""However many submit at the same moment, and whoever dies meanwhile, the budget holds to the nano-dollar."""

import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest

from ketbase.accounts.store import AccountStore
from ketbase.adapters.clock import SystemClock
from ketbase.errors import BudgetError
from ketbase.jobs.sweeper import Patience, Sweeper
from ketbase.jobs.types import JobStatus
from ketbase.ledger import layout
from ketbase.ledger.types import Budget, CostEvent
from ketbase.money import Money
from ketbase.ports.workflows import ExecutionStatus
from tests.contract.budget_worker import opened
from tests.fakes import FakeDoorbell, FakeWorkflows, books, job_store, new_job

ORGANIZATION, USER, KEY = "org_racing", "user_racing", "key_racing"
SUBMISSIONS, FIT = 200, 37
CEILING = Money(13_370_001)
WORKERS = 2


@pytest.fixture(params=["sqlite", "dynamodb"])
def where(request, tmp_path):
    if request.param == "sqlite":
        return "sqlite", str(tmp_path / "r.db")
    return "dynamodb", request.getfixturevalue("ministack"), request.getfixturevalue("table")


class DeadWorkflows(FakeWorkflows):
    """Says of every execution that it died."""

    def status(self, workflow, execution):
        return ExecutionStatus.FAILED


class Company:
    def __init__(self, where):
        self.clock = SystemClock()
        self.where = where
        self.records = opened(*where)
        self.store = job_store(self.records, self.clock)
        self.ledger = books(self.records, self.clock)
        self.accounts = AccountStore(self.records)
        budget = Budget(monthly_limit=Money(CEILING.nano * FIT + CEILING.nano - 1))
        self.records.write(*self.ledger.budget_writes(ORGANIZATION, budget))

    def submit(self, number):
        job = new_job(
            self.clock, ORGANIZATION, user_id=USER, key_id=KEY, estimated_cost=CEILING, reserved_cost=CEILING
        )
        try:
            return self.store.submit(job, f"submission {number}", "the same")
        except BudgetError as refused:
            return refused.code

    def submit_all_at_once(self):
        together = threading.Barrier(SUBMISSIONS)

        def submit(number):
            together.wait()
            return self.submit(number)

        with ThreadPoolExecutor(SUBMISSIONS) as pool:
            answers = list(pool.map(submit, range(SUBMISSIONS)))
        assert answers.count("BUDGET_EXCEEDED") == SUBMISSIONS - FIT
        return [job for job in answers if job != "BUDGET_EXCEEDED"]

    def sweep(self):
        return Sweeper(
            self.store,
            DeadWorkflows(),
            FakeDoorbell(),
            self.clock,
            Patience(grace=timedelta(0), deadline=timedelta(hours=1)),
        ).sweep()

    def jobs(self):
        return list(self.store.walk(ORGANIZATION, [], after=None, descending=False))

    def check_books(self):
        """The accounts, the cost events and the daily sums say what the jobs say."""
        jobs = self.jobs()
        spent = total(job.actual_cost for job in jobs if job.status.final)
        reserved = total(job.reserved_cost for job in jobs if not job.status.final)
        whole = self.ledger.standing(ORGANIZATION)
        assert (whole.spent, whole.reserved) == (spent, reserved)
        for who in (USER, KEY):
            own = self.ledger.standing_of(ORGANIZATION, who)
            assert (own.spent, own.reserved) == (spent, reserved)
        events = [
            CostEvent.model_validate(item.values)
            for item in self.records.query(layout.events(ORGANIZATION), limit=1_000).items
        ]
        assert {event.job_id: event.amount for event in events} == {
            job.id: job.actual_cost for job in jobs if job.status.final
        }
        days = self.records.query(layout.usage(ORGANIZATION)).items
        assert Money(sum(day.values["cost"] for day in days)) == spent
        return whole


def total(amounts):
    return sum(amounts, Money())


@pytest.fixture
def company(where):
    return Company(where)


def test_of_200_submissions_at_once_exactly_the_37_that_fit_are_accepted(company):
    accepted = company.submit_all_at_once()
    assert len(accepted) == FIT
    standing = company.check_books()
    assert standing.reserved == CEILING * FIT
    assert standing.remaining == Money(CEILING.nano - 1)


@contextmanager
def mortal_workers(where):
    """Workers that somebody kills at random and that are started again; yields how many were killed so far."""
    command = [sys.executable, "-m", "tests.contract.budget_worker", *where]
    workers = [subprocess.Popen(command) for _ in range(WORKERS)]
    killed, calm = [], threading.Event()

    def kill():
        while not calm.wait(random.uniform(0.3, 1.0)):
            victim = random.randrange(WORKERS)
            workers[victim].kill()
            workers[victim].wait()
            killed.append(victim)
            workers[victim] = subprocess.Popen(command)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed, calm
    finally:
        calm.set()
        killer.join()
        for worker in workers:
            worker.kill()
            worker.wait()


@pytest.mark.parametrize("times", [1, *(pytest.param(n, marks=pytest.mark.verify_02) for n in range(2, 7))])
def test_no_reservation_is_left_over_after_workers_were_killed_at_random(company, times):
    with mortal_workers(company.where) as (killed, calm):
        accepted = company.submit_all_at_once()
        assert len(accepted) == FIT
        deadline = time.monotonic() + 120
        while len(killed) < 5 and time.monotonic() < deadline:
            time.sleep(0.1)
        calm.set()
        while any(not job.status.final for job in company.jobs()):
            assert time.monotonic() < deadline, "jobs are left that neither a worker nor the sweeper ends"
            time.sleep(0.5)
            company.sweep()
    assert len(killed) >= 5
    standing = company.check_books()
    assert standing.reserved == Money()
    assert standing.spent <= CEILING * FIT
    assert {job.status for job in company.jobs()} <= {JobStatus.COMPLETED, JobStatus.FAILED}
