"""A worker that starts waiting jobs and completes them at their full price, until it is killed.

`python -m tests.contract.budget_worker sqlite PATH` or `… dynamodb URL TABLE`
"""

import random
import sys
import time
from pathlib import Path

from ketbase.adapters.clock import SystemClock
from ketbase.adapters.records.dynamodb import DynamoRecords
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.jobs.types import Progress
from ketbase.ledger.types import Charge
from ketbase.money import Money
from ketbase.ports.records import BusyError
from tests import servers
from tests.fakes import job_store


def opened(kind, *where):
    """The store of records that a command line names."""
    if kind == "sqlite":
        return SqliteRecords(Path(where[0]), SystemClock())
    return DynamoRecords(servers.aws("dynamodb", where[0], max_pool_connections=50), where[1], SystemClock())


def main() -> None:
    store = job_store(opened(*sys.argv[1:]), SystemClock())
    while True:
        try:
            for organization in store.waiting_organizations():
                work(store, organization)
        except BusyError:
            pass
        time.sleep(0.005)


def work(store, organization):
    for waiting in store.next_waiting(organization, 10):
        job = store.start(waiting, at_most_running=10, at_most_in_all=10)
        if job is None:
            continue
        half = Money(job.reserved_cost.nano // 2)
        time.sleep(random.uniform(0, 0.02))
        job = job and store.report(job, "run.executed", "", Progress(), Charge(amount=half, circuits=1, shots=7))
        time.sleep(random.uniform(0, 0.02))
        if job is not None:
            store.complete(job, "", {}, Charge(amount=job.reserved_cost - job.cost_so_far))


if __name__ == "__main__":
    main()
