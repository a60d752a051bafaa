"""An optimisation: taken in, searched once, kept as a circuit of its own, and found again."""

from contextlib import contextmanager

import pytest

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.circuits.service import Circuits
from ketbase.circuits.store import CircuitStore
from ketbase.circuits.types import CircuitDefinition, CreateCircuit, Gate
from ketbase.costs.meter import Meter
from ketbase.costs.prices import Prices
from ketbase.costs.quotes import Quotes, optimizing_s
from ketbase.errors import ConflictError, InvalidCircuitError, InvalidError, NotFoundError
from ketbase.jobs.service import Jobs
from ketbase.jobs.types import JobStatus
from ketbase.money import Money
from ketbase.optimize.service import Optimizations
from ketbase.optimize.steps import OptimizeSteps
from ketbase.optimize.types import Figures, OptimizeCircuit, Optimized, Verification, reduction
from ketbase.steps.ceiling import Ceiling, JobOverError
from ketbase.steps.failing import Failing
from ketbase.steps.failures import StepFailedError
from ketbase.steps.files import JobFiles
from ketbase.steps.intake import Intake
from ketbase.steps.types import StepFailure
from tests.fakes import (
    ALICE,
    BOB,
    DictBlobs,
    FakeDoorbell,
    FakeLanguage,
    FakeProvider,
    FakeWorkflows,
    TurnedClock,
    backends_of,
    books,
    job_store,
)


def figures(gates, two_qubit):
    counts = {"sx": gates - two_qubit, "cz": two_qubit, "measure": 2}
    return Figures(depth=gates, two_qubit_gates=two_qubit, two_qubit_depth=two_qubit, gate_counts=counts)


class Optimizer(FakeProvider):
    """Finds the same circuit every time, and counts how often it was asked."""

    def __init__(self):
        super().__init__()
        self.searched = []
        self.calibration = None

    def calibrated_at(self, backend):
        return self.calibration

    def optimize(self, definition, **asked):
        self.searched.append(asked)
        if self.problem is not None:
            raise self.problem
        return Optimized(
            definition=CircuitDefinition.of_gates(2, [Gate(type="CZ", targets=(0, 1))]),
            placement=(5, 6),
            original=figures(4, 3),
            baseline=figures(8, 4),
            optimized=figures(5, 3),
            candidate="qiskit level 3, seed 2",
            candidates=12,
            verification=Verification(status="equivalent", method="qcec", seconds=0.1),
            calibrated_at=None,
            seconds=1.5,
            sdk={},
        )


class Scene:
    def __init__(self, path):
        self.clock = TurnedClock()
        self.blobs = DictBlobs()
        records = SqliteRecords(path, self.clock)
        self.store = job_store(records, self.clock)
        self.circuits = Circuits(CircuitStore(records, self.blobs), FakeLanguage, self.clock)
        self.provider = Optimizer()
        prices = Prices.load(None)
        meter = Meter(prices, 1_024)
        doorbell = FakeDoorbell()
        quotes = Quotes(prices, compute_memory_mb=1_024, control_memory_mb=512)
        backends = backends_of(records, self.store, quotes, self.clock)
        files = JobFiles(self.blobs)
        intake = Intake(self.store, files, backends, doorbell, self.clock)
        self.optimizations = Optimizations(self.circuits, backends, quotes, intake)
        self.alarms = []
        self.steps = OptimizeSteps(
            self.store,
            files,
            self.blobs,
            CircuitStore(records, self.blobs),
            self.provider,
            backends,
            meter,
            Ceiling(self.store, meter, self.clock, self.alarm),
            doorbell,
            self.clock,
        )
        self.failing = Failing(self.store, doorbell, meter)
        self.jobs = Jobs(self.store, self.blobs, FakeWorkflows(), doorbell, self.clock)
        self.ledger = books(records, self.clock)

    @contextmanager
    def alarm(self, seconds):
        self.alarms.append(seconds)
        yield

    def circuit(self, n_qubits=2):
        gates = (Gate(type="H", targets=(0,)),)
        return self.circuits.create(ALICE, CreateCircuit(name="Bell", n_qubits=n_qubits, gates=gates))

    def started(self, circuit=None, **body):
        body = OptimizeCircuit(**{"target_backend": "fake_fez", **body})
        submission = self.optimizations.submit(ALICE, (circuit or self.circuit()).id, body, None)
        job = self.store.get(ALICE.organization_id, submission.job_id)
        return self.store.start(job, at_most_running=9, at_most_in_all=9)


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path / "r.db")


def test_an_optimisation_gives_a_circuit_that_stays_where_it_was_optimised_for(scene):
    job = scene.started(effort=7, optimization_level=3)
    scene.steps.search(job.reference)
    result = scene.jobs.result(ALICE, job.id)
    assert (result["original_depth"], result["optimized_depth"]) == (4, 5)
    assert (result["gate_reduction"], result["two_qubit_reduction"]) == ("37.5%", "25.0%")
    assert (result["verified"], result["cached"]) == (True, False)
    kept = scene.circuits.get(ALICE, result["optimized_circuit_id"])
    assert kept.placement.original == job.circuit_id
    assert (kept.placement.backend, kept.placement.qubits) == ("fake_fez", (5, 6))
    assert kept.name == "Bell, for fake_fez"
    assert scene.provider.searched[0]["effort_s"] == 7
    done = scene.store.get(ALICE.organization_id, job.id)
    assert done.status is JobStatus.COMPLETED
    assert Money() < done.actual_cost <= done.reserved_cost
    assert scene.ledger.standing(ALICE.organization_id).reserved == Money()


def test_the_same_circuit_backend_and_calibration_are_searched_once(scene):
    circuit = scene.circuit()
    for _ in range(2):
        job = scene.started(circuit)
        scene.steps.search(job.reference)
    assert len(scene.provider.searched) == 1
    assert scene.jobs.result(ALICE, job.id)["cached"]
    scene.provider.calibration = scene.clock.now()
    scene.steps.search(scene.started(circuit).reference)
    scene.steps.search(scene.started(circuit, target_backend="fake_kyiv").reference)
    scene.steps.search(scene.started(circuit, seed=2).reference)
    assert len(scene.provider.searched) == 4


def test_what_is_optimised_again_still_names_the_circuit_that_somebody_wrote(scene):
    original = circuit = scene.circuit()
    for _ in range(2):
        job = scene.started(circuit)
        scene.steps.search(job.reference)
        circuit = scene.circuits.get(ALICE, scene.jobs.result(ALICE, job.id)["optimized_circuit_id"])
        assert circuit.placement.original == original.id


def test_another_version_of_ketbase_searches_again(scene, monkeypatch):
    circuit = scene.circuit()
    scene.steps.search(scene.started(circuit).reference)
    monkeypatch.setattr("ketbase.optimize.steps.VERSION", "99.0.0")
    scene.steps.search(scene.started(circuit).reference)
    assert len(scene.provider.searched) == 2


def test_a_step_that_is_repeated_makes_no_second_circuit(scene):
    job = scene.started()
    complete = scene.store.complete
    scene.store.complete = lambda *_: None
    with pytest.raises(JobOverError):
        scene.steps.search(job.reference)
    scene.store.complete = complete
    scene.steps.search(job.reference)
    assert len(scene.circuits.list(ALICE, (), _page()).items) == 2


def _page():
    from ketbase.paging import PageRequest

    return PageRequest()


def test_a_circuit_that_the_backend_cannot_run_fails_its_job(scene):
    job = scene.started()
    scene.provider.problem = InvalidCircuitError("UNSUPPORTED_OPERATION", "cannot run while_loop")
    with pytest.raises(StepFailedError) as raised:
        scene.steps.search(job.reference)
    cause = {"errorType": "StepFailedError", "errorMessage": str(raised.value)}
    scene.failing.fail(job.reference, StepFailure(Error="StepFailedError", Cause=cause))
    failed = scene.store.get(ALICE.organization_id, job.id)
    assert (failed.status, failed.error.code) == (JobStatus.FAILED, "UNSUPPORTED_OPERATION")
    assert scene.ledger.standing(ALICE.organization_id).reserved == Money()


def test_a_search_is_held_to_the_time_that_its_effort_allows(scene):
    job = scene.started(effort=20)
    scene.steps.search(job.reference)
    assert scene.alarms == [pytest.approx(optimizing_s(20), rel=0.05)]


@pytest.mark.parametrize(
    ("body", "problem", "code"),
    [
        ({"target_backend": "fake_atlantis"}, NotFoundError, "BACKEND_NOT_FOUND"),
        ({"target_backend": "fake_fez", "budget_limit": "0.0000001"}, InvalidError, "BUDGET_LIMIT_TOO_LOW"),
    ],
)
def test_what_cannot_be_optimised_is_refused_before_money_is_set_aside(scene, body, problem, code):
    with pytest.raises(problem) as refused:
        scene.optimizations.submit(ALICE, scene.circuit().id, OptimizeCircuit(**body), None)
    assert refused.value.code == code
    assert scene.ledger.standing(ALICE.organization_id).reserved == Money()


def test_another_organisations_circuit_is_not_found(scene):
    with pytest.raises(NotFoundError, match="no circuit"):
        scene.optimizations.submit(BOB, scene.circuit().id, OptimizeCircuit(target_backend="fake_fez"), None)


def test_a_repeated_submission_is_the_same_job(scene):
    circuit, body = scene.circuit(), OptimizeCircuit(target_backend="fake_fez")
    jobs = {scene.optimizations.submit(ALICE, circuit.id, body, "key").job_id for _ in range(3)}
    assert len(jobs) == 1
    with pytest.raises(ConflictError):
        scene.optimizations.submit(ALICE, circuit.id, OptimizeCircuit(target_backend="fake_kyiv"), "key")


@pytest.mark.parametrize(("before", "after", "said"), [(45, 28, "37.8%"), (0, 0, "0.0%"), (10, 12, "-20.0%")])
def test_a_reduction_is_said_in_per_cent(before, after, said):
    assert reduction(before, after) == said
