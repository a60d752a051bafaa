"""Whatever a deleted organisation owned is gone, however often the erasure is killed on the way."""

from datetime import timedelta
from typing import NamedTuple

import pytest

from ketbase.accounts import layout
from ketbase.accounts.erasure import Erasure
from ketbase.accounts.requests import InviteUser, UpdateUser
from ketbase.accounts.roles import Role
from ketbase.adapters.vectors.embedded import EmbeddedVectors
from ketbase.auth.buckets import Buckets, Rate
from ketbase.circuits.service import Circuits
from ketbase.circuits.store import CircuitStore
from ketbase.circuits.types import CreateCircuit, Gate
from ketbase.costs.prices import Prices
from ketbase.costs.quotes import Quotes
from ketbase.ids import new_id
from ketbase.jobs.layout import blob_key
from ketbase.jobs.service import Jobs
from ketbase.jobs.types import JobStatus, Remote
from ketbase.ledger.types import Charge
from ketbase.models import layout as model_layout
from ketbase.models.deployments import Deployments
from ketbase.models.metrics import answered
from ketbase.models.pricing import PredictionPrices
from ketbase.models.registry import Registry
from ketbase.models.store import ModelStore
from ketbase.models.types import DeployModel
from ketbase.money import Money
from ketbase.states.layout import collection
from ketbase.states.store import StateStore, StoredState
from ketbase.states.types import State
from tests.fakes import DictBlobs, FakeCapacity, FakeDoorbell, FakeWorkflows, backends_of, job_store, new_job
from tests.trained import trained
from tests.unit.accounts.conftest import SOMEWHERE

LINGER = timedelta(hours=1)


class Killed(Exception):
    """The machine went away."""


class Mortal:
    """Records that die before a write, once so many were done."""

    def __init__(self, records, writes):
        self._records = records
        self._left = writes

    def __getattr__(self, name):
        return getattr(self._records, name)

    def write(self, *writes):
        if self._left == 0:
            raise Killed
        self._left -= 1
        self._records.write(*writes)


class Served(NamedTuple):
    """What models need."""

    registry: Registry
    deployments: Deployments


def deployments_of(town, records=None):
    records = records or town.records
    store = ModelStore(records, town.blobs)
    registry = Registry(store, PredictionPrices(Prices.load(), 1_769), town.clock)
    quotes = Quotes(Prices.load(), compute_memory_mb=3_008, control_memory_mb=1_024)
    backends = backends_of(records, job_store(records, town.clock), quotes, town.clock)
    accounts = type(town.store)(records)
    return Served(
        registry,
        Deployments(
            records,
            store,
            registry,
            backends,
            accounts,
            town.capacity,
            town.clock,
            max_replicas=10,
            public_url="https://ket.test",
        ),
    )


class House:
    """An organisation that owns one of everything."""

    def __init__(self, town, email, name):
        self.town = town
        self.owner = town.found(email, name)
        self.id = self.owner.organization_id
        records, clock = town.records, town.clock
        developer = town.join(self.owner, f"dev.{email}", Role.DEVELOPER)
        town.users.update(self.owner, developer.user_id, UpdateUser(monthly_limit="5"))
        self.key = town.key(developer, "jobs:read", monthly_limit="5")
        caller = town.keys.authenticate(self.key, SOMEWHERE)
        Buckets(records, clock).take(caller.credential_id, Rate.of_requests(10))
        Buckets(records, clock).take(self.owner.user_id, Rate.of_requests(10))
        town.sessions.open(self.id, developer.user_id, SOMEWHERE)
        town.invitations.invite(self.owner, InviteUser(email=f"guest.{email}"))
        bell = CreateCircuit(
            name="Bell", n_qubits=2, gates=(Gate(type="H", targets=(0,)),), metadata={"tags": ["a", "b"]}
        )
        circuits = Circuits(CircuitStore(records, town.blobs), lambda: None, clock)
        for _ in range(2):
            circuit = circuits.create(self.owner, bell)
        self.state = State(
            id=new_id("state"),
            user_id=self.owner.user_id,
            circuit_id=circuit.id,
            name="Bell",
            n_qubits=2,
            created_at=clock.now(),
        )
        stored = StoredState(parameters={}, amplitudes=b"")
        StateStore(records, town.blobs, lambda: town.vectors).add(self.id, self.state, stored, [1.0] + [0.0] * 7)
        for name in ("Flowers", "Flowers", "Birds"):
            handed = trained(name, user_id=self.owner.user_id)
            model = deployments_of(town).registry.add(self.id, handed)
            deployments_of(town).deployments.deploy(self.owner, model.id, DeployModel(replicas=2))
            records.write(answered(model_layout.served(self.id, model.id, "2026-01-01"), 0.01, 1, Money()))
        store = job_store(records, clock)
        self.jobs = [
            store.submit(
                new_job(clock, self.id, reserved_cost=Money.of(1), key_id=caller.credential_id), f"once {n}", "x"
            )
            for n in range(3)
        ]
        for number in (0, 1):
            self.jobs[number] = store.start(self.jobs[number], at_most_running=9, at_most_in_all=9)
            town.workflows.start("run", self.jobs[number].execution, {})
        self.jobs[0] = store.complete(self.jobs[0], "done", {}, Charge(amount=Money.of("0.5")))
        for job in self.jobs:
            town.blobs.put(blob_key(job.reference, "circuit.json"), b"{}", content_type="application/json")


@pytest.fixture
def town(town):
    town.blobs, town.workflows = DictBlobs(), FakeWorkflows()
    town.capacity = FakeCapacity()
    town.vectors = EmbeddedVectors(town.path.parent / "vectors")
    return town


@pytest.fixture
def gone(town):
    return House(town, "olga@example.com", "Acme")


@pytest.fixture
def stays(town):
    return House(town, "otto@example.com", "Other")


def erasure(town, records=None):
    records = records or town.records
    store = job_store(records, town.clock)
    return Erasure(
        records,
        town.blobs,
        type(town.store)(records),
        type(town.key_store)(records),
        type(town.invitation_store)(records),
        type(town.credentials)(records),
        CircuitStore(records, town.blobs),
        store,
        Jobs(store, town.blobs, town.workflows, FakeDoorbell(), town.clock),
        deployments_of(town, records).deployments,
        StateStore(records, town.blobs, lambda: town.vectors),
        town.clock,
        linger=LINGER,
    )


def erase(town, records=None):
    return erasure(town, records).erase(town.clock.now() + timedelta(seconds=40))


def rows(town, *names):
    """All rows, of any partition, that hold one of these words anywhere, but for the audit log and the mails."""
    import sqlite3

    with sqlite3.connect(town.path) as connection:
        found = connection.execute("SELECT partition, sort, fields FROM items").fetchall()
    return sorted(
        (partition, sort)
        for partition, sort, fields in found
        if any(name in f"{partition} {sort} {fields}" for name in names)
        and not partition.endswith("#audit")
        and not partition.startswith("notice#")
    )


def traces(town, house, ids):
    return rows(town, house.id, *ids)


def everything(town, house):
    """What names the house's people, keys and jobs."""
    users = [user.id for user in town.store.users(house.id)]
    keys = [record.id for record in town.key_store.walk(house.id, None)]
    return [*users, *keys, *(job.id for job in house.jobs), layout.key(house.key).partition]


def delete(town, house):
    name = town.organizations.get(house.owner).name
    ids = everything(town, house)
    town.organizations.delete(house.owner, name)
    return ids


def test_nothing_is_left_of_a_deleted_organisation_but_its_audit_log(town, gone, stays):
    ids, others = delete(town, gone), rows(town, stays.id)
    kept = {key for key in town.blobs.kept if stays.id in key}
    erase(town)
    assert traces(town, gone, ids) == [(f"org#{gone.id}", "organization")]
    town.clock.turn(LINGER.total_seconds())
    assert erase(town).finished == (gone.id,)
    assert traces(town, gone, ids) == []
    assert set(town.blobs.kept) == kept
    assert rows(town, stays.id) == others
    assert town.capacity.provided == 3 * 2
    found = {house: list(town.vectors.ids(collection(2), house.id)) for house in (gone, stays)}
    assert found == {gone: [], stays: [stays.state.id]}
    assert {"organization.created", "organization.deleted"} <= town.audited(gone.id)


def test_the_jobs_that_ran_are_cancelled_and_their_workflows_stopped(town, gone):
    running = gone.jobs[1]
    delete(town, gone)
    steps = erasure(town)._steps(gone.id)
    states = set()
    for _ in steps:
        states |= {
            job.status
            for job in job_store(town.records, town.clock).walk(gone.id, (), after=None, descending=False)
        }
        if JobStatus.CANCELLED in states and town.workflows.executions[running.execution] == "stopped":
            break
    assert town.workflows.executions[running.execution] == "stopped"
    assert not [each for each in job_store(town.records, town.clock).running() if each.organization_id == gone.id]


def test_a_job_at_a_provider_is_known_until_it_is_stopped_there(town, gone):
    store, job = job_store(town.records, town.clock), gone.jobs[1]
    store.hand_over(job, Remote(engine="ionq", id="remote-1", handed_over_at=town.clock.now()))
    ids = delete(town, gone)
    town.clock.turn(LINGER.total_seconds())
    assert erase(town).unfinished == (gone.id,)
    (there,) = store.handed_over("ionq")
    assert there.cancel_requested_at is not None
    assert [key for key in town.blobs.kept if job.id in key]
    store.cancel(there)
    assert erase(town).finished == (gone.id,)
    assert traces(town, gone, ids) == []
    assert town.blobs.kept == {}


def test_an_erasure_that_is_killed_at_any_point_goes_on(town, gone):
    ids = delete(town, gone)
    town.clock.turn(LINGER.total_seconds())
    kills = 0
    while True:
        try:
            # The first ones die at once, the last ones get far.
            finished = erase(town, Mortal(town.records, kills // 5)).finished
        except Killed:
            kills += 1
            assert kills < 200
            continue
        if finished:
            break
    assert kills > 10
    assert traces(town, gone, ids) == []
    assert town.blobs.kept == {}


def test_an_erasure_stops_when_its_time_is_over_and_says_what_is_left(town, gone):
    delete(town, gone)
    assert erasure(town).erase(town.clock.now()).unfinished == (gone.id,)
    assert town.blobs.kept


def test_a_blob_that_a_dying_run_wrote_afterwards_is_erased_too(town, gone):
    delete(town, gone)
    erase(town)
    assert town.blobs.kept == {}
    town.blobs.put(blob_key(gone.jobs[1].reference, "result.json"), b"{}", content_type="application/json")
    town.clock.turn(LINGER.total_seconds())
    erase(town)
    assert town.blobs.kept == {}


def test_an_organisation_that_nobody_deleted_is_not_erased(town, stays):
    before = rows(town, stays.id)
    assert erase(town) == erasure(town).erase(town.clock.now())
    assert rows(town, stays.id) == before


def test_an_address_is_free_again_after_the_erasure(town, gone):
    delete(town, gone)
    erase(town)
    assert town.found("olga@example.com").organization_id != gone.id


def test_the_books_of_every_month_are_erased(town, gone):
    town.clock.turn(40 * 86_400)
    store = job_store(town.records, town.clock)
    store.submit(new_job(town.clock, gone.id, reserved_cost=Money.of(1)), None, "x")
    delete(town, gone)
    erase(town)
    assert [row for row in rows(town, gone.id) if row[0].startswith("ledger#")] == []
    assert [row for row in rows(town, "ledger#") if gone.id in row[0]] == []
