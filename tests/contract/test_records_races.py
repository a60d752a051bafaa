"""Stores of records under many writers at once."""

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from ketbase.adapters.clock import SystemClock
from ketbase.adapters.records.dynamodb import DynamoRecords
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.ports.records import (
    Absent,
    AtMost,
    ConditionFailedError,
    Equals,
    Item,
    Key,
    Put,
    Records,
    Update,
    Write,
)
from tests.servers import aws

WRITERS = 8
TURNS = 20
CEILING = 99
BUDGET = Key("org#1", "budget")


@pytest.fixture(params=["sqlite", "dynamodb"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Records]]:
    """Opens the same store again: as another process would."""
    if request.param == "sqlite":
        opened: list[SqliteRecords] = []

        def open_sqlite() -> Records:
            opened.append(SqliteRecords(tmp_path / "records.sqlite", SystemClock()))
            return opened[-1]

        yield open_sqlite
        for store in opened:
            store.close()
    else:
        url, table = request.getfixturevalue("ministack"), request.getfixturevalue("table")
        yield lambda: DynamoRecords(aws("dynamodb", url, max_pool_connections=WRITERS), table, SystemClock())


def reserve(records: Records, name: str, amount: int = 3) -> bool:
    """Take an amount of the budget and note it, unless that would pass the ceiling."""
    try:
        records.write(
            Update(BUDGET, add={"reserved": amount}, when=(AtMost("reserved", CEILING - amount),)),
            Put(Item(Key("org#1", f"job#{name}"), {"amount": amount}), when=(Absent(),)),
        )
    except ConditionFailedError as error:
        if error.failed != (0,):
            raise
        return False
    return True


def reserve_again_and_again(records: Records, writer: int) -> int:
    return sum(reserve(records, f"{writer}-{turn}") for turn in range(TURNS))


def run_together[T](actions: list[Callable[[], T]]) -> list[T]:
    """Begin all actions at the same moment, each in its thread."""
    start = threading.Barrier(len(actions))

    def begin(action: Callable[[], T]) -> T:
        start.wait()
        return action()

    with ThreadPoolExecutor(len(actions)) as threads:
        return list(threads.map(begin, actions))


def value(records: Records, key: Key, name: str) -> object:
    item = records.get(key)
    return item and item.values.get(name)


@pytest.mark.parametrize("shared", [True, False], ids=["one store", "a store each"])
def test_racing_reservations_fill_the_budget_and_never_pass_it(opened: Callable[[], Records], shared: bool) -> None:
    records = opened()
    stores = [records if shared else opened() for _ in range(WRITERS)]
    done = run_together([partial(reserve_again_and_again, store, n) for n, store in enumerate(stores)])
    assert sum(done) == CEILING // 3
    assert value(records, BUDGET, "reserved") == 3 * sum(done)
    assert records.count("org#1", prefix="job#") == sum(done)


def test_no_racing_addition_is_lost(opened: Callable[[], Records]) -> None:
    records = opened()

    def add(in_company: bool) -> None:
        company: list[Write] = [Update(Key("org#1", "other"), add={"n": 1})] if in_company else []
        for _ in range(TURNS):
            records.write(Update(BUDGET, add={"n": 1}), *company)

    run_together([partial(add, n % 2 == 0) for n in range(WRITERS)])
    assert value(records, BUDGET, "n") == WRITERS * TURNS
    assert value(records, Key("org#1", "other"), "n") == WRITERS * TURNS // 2


def test_of_racing_status_changes_one_wins(opened: Callable[[], Records]) -> None:
    records = opened()
    records.write(*(Put(Item(Key("p", f"{n}"), {"status": "queued"})) for n in range(TURNS)))

    def claim(writer: int) -> int:
        won = 0
        for n in range(TURNS):
            try:
                records.write(
                    Update(
                        Key("p", f"{n}"),
                        set={"status": "running", "by": writer},
                        when=(Equals("status", "queued"),),
                    )
                )
                won += 1
            except ConditionFailedError:
                pass
        return won

    won = run_together([partial(claim, n) for n in range(WRITERS)])
    assert sum(won) == TURNS
    for n, claimed in enumerate(won):
        assert sum(item.values["by"] == n for item in records.query("p").items) == claimed


def test_a_query_of_the_file_never_sees_half_a_write(tmp_path: Path) -> None:
    """More than the port promises: DynamoDB isolates single items from a transaction, not a query."""
    records = SqliteRecords(tmp_path / "records.sqlite", SystemClock())
    pair = [Key("pair", "a"), Key("pair", "b")]
    records.write(*(Put(Item(key, {"n": 0})) for key in pair))
    over = threading.Event()

    def write() -> None:
        for n in range(1, 200):
            records.write(*(Put(Item(key, {"n": n})) for key in pair))
        over.set()

    def read() -> None:
        while not over.is_set():
            first, second = (item.values["n"] for item in records.query("pair").items)
            assert first == second

    run_together([write, read, read])
    records.close()


def reserve_in_a_process(path: Path, start: Barrier, writer: int) -> None:
    start.wait()
    records = SqliteRecords(path, SystemClock())
    for turn in range(300):
        records.write(Update(BUDGET, add={"n": 1}), Put(Item(Key("log", f"{writer}-{turn}"), {})))
    reserve_again_and_again(records, writer)


def test_racing_processes_share_one_file(tmp_path: Path) -> None:
    """They also make the file, all at the same moment."""
    path = tmp_path / "new folder" / "records.sqlite"
    fresh = multiprocessing.get_context("spawn")
    start = fresh.Barrier(4)
    writers = [fresh.Process(target=reserve_in_a_process, args=(path, start, n)) for n in range(4)]
    for process in writers:
        process.start()
    for process in writers:
        process.join(60)
    assert [process.exitcode for process in writers] == [0] * len(writers)
    records = SqliteRecords(path, SystemClock())
    assert value(records, BUDGET, "n") == 1200 == records.count("log")
    assert value(records, BUDGET, "reserved") == CEILING
    assert records.count("org#1", prefix="job#") == CEILING // 3
    records.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing to fork with")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_uses_connections_of_its_own(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "records.sqlite", SystemClock())
    records.write(Update(BUDGET, add={"n": 1}))
    child = os.fork()
    if child == 0:
        records.write(Update(BUDGET, add={"n": 1}))
        os._exit(0 if records._connections._abandoned else 1)
    records.write(Update(BUDGET, add={"n": 1}))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert value(records, BUDGET, "n") == 3
    records.close()


WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
from ketbase.adapters.clock import SystemClock
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.ports.records import Item, Key, Put, Update

records = SqliteRecords(Path(sys.argv[1]), SystemClock())
for n in range(10**9):
    records.write(Put(Item(Key("job", f"{n:09}"), {})), Update(Key("jobs", "count"), add={"n": 1}))
    print(n, flush=True)
"""


def test_what_was_accepted_before_a_kill_is_kept_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    accepted = -1
    for line in writer.stdout:
        accepted = int(line)
        if accepted >= 200:
            writer.kill()
            break
    accepted = max([accepted, *map(int, writer.stdout.read().split())])
    writer.wait()
    records = SqliteRecords(path, SystemClock())
    jobs = records.count("job")
    assert jobs > accepted
    assert value(records, Key("jobs", "count"), "n") == jobs
    records.close()
