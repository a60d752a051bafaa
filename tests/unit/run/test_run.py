"""A run from its submission to its result, with everything real but the quantum room and the workflow engine."""

import json
import math
from contextlib import contextmanager
from decimal import Decimal

import pytest
from pydantic import ValidationError

from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import OrganizationSettings
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.audit.layout import partition
from ketbase.backends.calibrations import CalibrationHistory
from ketbase.backends.catalog import backends
from ketbase.backends.lanes import Lane, Lanes, Limits
from ketbase.circuits.service import Circuits
from ketbase.circuits.store import CircuitStore
from ketbase.circuits.types import CreateCircuit
from ketbase.costs.meter import Meter
from ketbase.costs.prices import Prices
from ketbase.costs.quotes import COMPILE_S, Quotes
from ketbase.errors import (
    ConflictError,
    ExecutionError,
    ForbiddenError,
    InvalidCircuitError,
    InvalidError,
    NotFoundError,
)
from ketbase.jobs.service import Jobs
from ketbase.jobs.types import JobStatus
from ketbase.money import Money
from ketbase.paging import PageRequest
from ketbase.run.compute import ComputeSteps
from ketbase.run.ending import FinalSteps
from ketbase.run.service import Runs, check_allowed, check_fits
from ketbase.run.types import RunCircuit
from ketbase.steps.ceiling import ENDED_BY_ALARM, Ceiling, JobOverError
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


def priced(path, own):
    if not own:
        return Prices.load(None)
    file = path.with_name("prices.json")
    file.write_text(json.dumps({"backends": [{"source": "a test", "as_of": "2026-01-01", **own[0]}]}))
    return Prices.load(file)


class Scene:
    def __init__(self, path, *prices):
        self.clock = TurnedClock()
        self.blobs = DictBlobs()
        self.doorbell = FakeDoorbell()
        self.workflows = FakeWorkflows()
        self.provider = FakeProvider()
        records = SqliteRecords(path, self.clock)
        self.store = job_store(records, self.clock)
        self.circuits = Circuits(CircuitStore(records, self.blobs), FakeLanguage, self.clock)
        self.alarms = []
        self.prices = prices = priced(path, prices)
        self.meter = meter = Meter(prices, 1_024)
        self.ledger = books(records, self.clock)
        quotes = Quotes(prices, compute_memory_mb=1_024, control_memory_mb=512)
        self.backends = backends_of(records, self.store, quotes, self.clock)
        self.accounts = AccountStore(records)
        self.records = records
        files = JobFiles(self.blobs)
        intake = Intake(self.store, files, self.backends, self.doorbell, self.clock)
        self.runs = Runs(self.accounts, self.circuits, self.backends, quotes, intake)
        self.jobs = Jobs(self.store, self.blobs, self.workflows, self.doorbell, self.clock)
        self.history = CalibrationHistory(records, self.blobs, self.clock)
        ceiling = Ceiling(self.store, meter, self.clock, self.alarm)
        self.compute = ComputeSteps(self.store, files, self.provider, self.backends, prices, meter, ceiling)
        failing = Failing(self.store, self.doorbell, meter)
        self.final = FinalSteps(self.store, files, self.backends, self.history, self.doorbell, meter, failing)

    @contextmanager
    def alarm(self, seconds):
        self.alarms.append(seconds)
        yield

    def circuit(self, **gate):
        gates = [{"type": "H", "targets": [0]}, {"type": "RY", "targets": [1], **gate}] if gate else [
            {"type": "H", "targets": [0]}
        ]  # fmt: skip
        return self.circuits.create(
            ALICE, CreateCircuit.model_validate({"name": "c", "n_qubits": 2, "gates": gates})
        )

    def submit(self, key=None, **body):
        return self.runs.submit(ALICE, self.circuit().id, RunCircuit(**body), key)

    def started(self, **body):
        submission = self.submit(**body)
        job = self.store.get(ALICE.organization_id, submission.job_id)
        return self.store.start(job, at_most_running=9, at_most_in_all=9)


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path / "r.db")


def test_a_run_goes_from_submission_to_a_result_with_its_provenance(scene):
    job = scene.started(shots=100, seed=7, backend="fake_fez")
    scene.compute.compile(job.reference)
    scene.compute.execute(job.reference)
    scene.final.collect(job.reference)
    result = scene.jobs.result(ALICE, job.id)
    assert result["counts"] == {"00": 100}
    provenance = result["provenance"]
    assert (provenance["options"]["seed"], provenance["options"]["shots"]) == (7, 100)
    assert provenance["compiled"]["physical_qubits"] == [3, 4]
    assert provenance["calibration"]["taken_at"].startswith("2025-02-26")
    assert provenance["sdk"] == {"qiskit": "2"}
    events = [event.type for event in scene.jobs.events(ALICE, job.id, 0, 100).events]
    assert events == [
        "job.queued",
        "job.started",
        "run.compiling",
        "run.compiled",
        "run.executing",
        "run.executed",
        "job.completed",
    ]


def test_every_step_may_be_repeated(scene):
    job = scene.started()
    for _ in range(2):
        scene.compute.compile(job.reference)
    for _ in range(2):
        scene.compute.execute(job.reference)
    scene.final.collect(job.reference)
    with pytest.raises(JobOverError):
        scene.final.collect(job.reference)
    assert scene.store.get(ALICE.organization_id, job.id).status is JobStatus.COMPLETED


def test_a_seed_is_drawn_where_none_is_given_and_kept(scene):
    job = scene.started()
    scene.compute.compile(job.reference)
    assert scene.provider.compiled[0]["seed"] == job.config["seed"]


def test_the_job_outlives_its_circuit(scene):
    circuit = scene.circuit()
    submission = scene.runs.submit(ALICE, circuit.id, RunCircuit(), None)
    scene.circuits.delete(ALICE, circuit.id)
    job = scene.store.get(ALICE.organization_id, submission.job_id)
    started = scene.store.start(job, at_most_running=9, at_most_in_all=9)
    scene.compute.compile(started.reference)
    assert scene.provider.compiled


def test_a_deleted_circuit_and_another_tenants_circuit_cannot_be_run(scene):
    circuit = scene.circuit()
    with pytest.raises(NotFoundError):
        scene.runs.submit(BOB, circuit.id, RunCircuit(), None)
    scene.circuits.delete(ALICE, circuit.id)
    with pytest.raises(NotFoundError):
        scene.runs.submit(ALICE, circuit.id, RunCircuit(), None)


def test_the_same_key_answers_with_the_same_job_and_queues_nothing_more(scene):
    circuit = scene.circuit()
    first = scene.runs.submit(ALICE, circuit.id, RunCircuit(shots=5), "key")
    again = scene.runs.submit(ALICE, circuit.id, RunCircuit(shots=5), "key")
    assert first.job_id == again.job_id
    assert scene.jobs.list(ALICE, [], PageRequest()).total == 1
    with pytest.raises(ConflictError, match="another request"):
        scene.runs.submit(ALICE, circuit.id, RunCircuit(shots=6), "key")


def test_the_order_of_the_parameters_makes_no_other_request(scene):
    gates = [{"type": "RX", "targets": [0], "parameters": {"theta": "a+b"}}]
    body = CreateCircuit.model_validate({"name": "c", "n_qubits": 1, "gates": gates})
    circuit = scene.circuits.create(ALICE, body)
    ids = {
        scene.runs.submit(ALICE, circuit.id, RunCircuit(parameters=values), "key").job_id
        for values in ({"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0})
    }
    assert len(ids) == 1


def test_what_was_accepted_stays_accepted_after_its_circuit_is_deleted(scene):
    circuit = scene.circuit()
    first = scene.runs.submit(ALICE, circuit.id, RunCircuit(), "key")
    scene.circuits.delete(ALICE, circuit.id)
    assert scene.runs.submit(ALICE, circuit.id, RunCircuit(), "key").job_id == first.job_id


def test_an_accepted_job_is_answered_for_even_if_the_doorbell_is_broken(scene):
    def broken(reason):
        raise ConnectionError("no bell")

    scene.doorbell.ring = broken
    assert scene.submit().status is JobStatus.QUEUED


def test_a_result_too_large_for_an_answer_is_given_as_a_link(scene):
    job = scene.started()
    key = f"jobs/{job.organization_id}/{job.id}/result.json"
    scene.blobs.put(key, b"x" * 5_000_001, content_type="application/json")
    scene.store.complete(job, "done", {})
    scene.blobs.link = lambda key, seconds: f"https://store/{key}?for={seconds}"
    link = scene.jobs.result(ALICE, job.id)
    assert (link.download_url, link.size_bytes) == (f"https://store/{key}?for=900", 5_000_001)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"parameters": {}}, "UNBOUND_PARAMETERS"),
        ({"parameters": {"a": 1.0, "b": 1.0}}, "UNKNOWN_PARAMETERS"),
    ],
)
def test_what_can_be_known_to_fail_is_refused_at_submission(scene, body, code):
    circuit = scene.circuit(parameters={"theta": "a"})
    with pytest.raises(InvalidError) as refused:
        scene.runs.submit(ALICE, circuit.id, RunCircuit(**body), None)
    assert refused.value.code == code
    assert scene.jobs.list(ALICE, [], PageRequest()).total == 0


def test_more_shots_than_the_backend_runs_are_refused(scene):
    backend = scene.backends.info("aer")
    small = backend.model_copy(update={"capabilities": backend.capabilities.model_copy(update={"max_shots": 10})})
    with pytest.raises(InvalidError, match="at most 10 shots"):
        check_fits(scene.circuit(), small, RunCircuit(shots=11))


def test_an_unknown_backend_is_refused_with_those_there_are(scene):
    with pytest.raises(NotFoundError) as refused:
        scene.submit(backend="fake_nowhere")
    assert "fake_fez" in refused.value.details["backends"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_parameters_must_be_finite(value):
    with pytest.raises(ValidationError):
        RunCircuit(parameters={"a": value})


def test_a_circuit_that_cannot_be_compiled_fails_the_job_with_the_providers_error(scene):
    job = scene.started()
    scene.provider.problem = InvalidCircuitError("UNSUPPORTED_OPERATION", "no such gate", gate="x")
    with pytest.raises(StepFailedError) as raised:
        scene.compute.compile(job.reference)
    cause = json.dumps({"errorType": "StepFailedError", "errorMessage": str(raised.value)})
    scene.final.fail(job.reference, StepFailure(Error="StepFailedError", Cause=cause))
    failed = scene.store.get(ALICE.organization_id, job.id)
    assert (failed.status, failed.error.code, failed.error.details) == (
        JobStatus.FAILED,
        "UNSUPPORTED_OPERATION",
        {"gate": "x"},
    )
    with pytest.raises(ConflictError, match="failed"):
        scene.jobs.result(ALICE, job.id)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (StepFailure(Error="States.Timeout"), "JOB_TIMED_OUT"),
        (StepFailure(Error="KeyError", Cause='{"errorType": "KeyError", "errorMessage": "x"}'), "INTERNAL"),
        (StepFailure(Error="Sandbox.Timedout", Cause='{"errorType": "Sandbox.Timedout"}'), "JOB_TIMED_OUT"),
        (StepFailure(Error="X", Cause="not json"), "INTERNAL"),
        (StepFailure(Error="X", Cause='["a list"]'), "INTERNAL"),
    ],
)
def test_whatever_the_engine_says_the_job_fails_once_with_a_stable_code(scene, failure, code):
    job = scene.started()
    scene.final.fail(job.reference, failure)
    scene.final.fail(job.reference, failure)
    assert scene.store.get(ALICE.organization_id, job.id).error.code == code


def test_a_cancelled_job_goes_no_further_and_its_workflow_is_stopped(scene):
    job = scene.started()
    scene.workflows.start("run", job.execution, {})
    assert scene.jobs.cancel(ALICE, job.id).status is JobStatus.CANCELLED
    assert scene.workflows.executions[job.execution] == "stopped"
    for use in (scene.compute.compile, scene.compute.execute, scene.final.collect):
        with pytest.raises(JobOverError):
            use(job.reference)
    assert scene.jobs.cancel(ALICE, job.id).status is JobStatus.CANCELLED


def test_a_cancellation_that_broke_off_before_it_reached_the_workflow_is_made_whole_by_the_next(scene):
    job = scene.started()
    scene.workflows.start("run", job.execution, {})
    scene.store.cancel(job)
    scene.jobs.cancel(ALICE, job.id)
    assert scene.workflows.executions[job.execution] == "stopped"


def test_a_finished_job_cannot_be_cancelled(scene):
    job = scene.started()
    scene.store.complete(job, "done", {})
    with pytest.raises(ConflictError, match="completed already"):
        scene.jobs.cancel(ALICE, job.id)


def test_an_execution_error_of_the_provider_carries_its_numbers(scene):
    job = scene.started()
    scene.compute.compile(job.reference)

    def refuse(*_args, **_kwargs):
        raise ExecutionError("INSUFFICIENT_MEMORY", "too large", needed_mb=9, available_mb=1)

    scene.provider.execute = refuse
    with pytest.raises(StepFailedError, match="needed_mb"):
        scene.compute.execute(job.reference)


def test_the_backends_figures_count_what_ended_today(scene):
    job = scene.started(backend="aer")
    scene.compute.compile(job.reference)
    scene.compute.execute(job.reference)
    scene.final.collect(job.reference)
    scene.submit(backend="aer")
    status = scene.backends.status("aer")
    assert (status.uptime, status.queue.depth) == (1.0, 1)
    assert (status.performance.circuits_today, status.performance.avg_latency_ms) == (1, 500.0)
    scene.clock.turn(24 * 3_600)
    assert scene.backends.status("aer").performance.circuits_today == 0


def test_logs_are_the_events_and_say_whether_more_may_come(scene):
    job = scene.started()
    logs = scene.jobs.logs(ALICE, job.id, 1, 0, 0.0)
    assert [line.message for line in logs.logs] == ["Started, attempt 1"]
    assert logs.streaming
    assert scene.jobs.logs(ALICE, job.id, 10, logs.cursor, 5.0).logs == ()
    scene.store.complete(job, "done", {})
    after = scene.jobs.logs(ALICE, job.id, 10, logs.cursor, 5.0)
    assert ([line.message for line in after.logs], after.streaming) == (["done"], False)


# --- What it costs ---


def finished(scene, job):
    scene.compute.compile(job.reference)
    scene.compute.execute(job.reference)
    scene.final.collect(job.reference)
    return scene.jobs.get(ALICE, job.id)


def test_a_submission_says_what_it_is_expected_to_cost_and_what_is_set_aside(scene):
    submission = scene.submit()
    job = scene.jobs.get(ALICE, submission.job_id)
    assert Money() < submission.estimated_cost < submission.reserved_cost
    assert (job.estimated_cost, job.reserved_cost) == (submission.estimated_cost, submission.reserved_cost)
    assert job.actual_cost is None
    assert scene.ledger.standing(ALICE.organization_id).reserved == submission.reserved_cost


def test_a_run_costs_its_seconds_its_calls_and_its_transitions(scene):
    done = finished(scene, scene.started(shots=100))
    assert scene.meter.per_step * 3 < done.actual_cost <= done.reserved_cost
    assert (done.resources.circuits_executed, done.resources.total_shots) == (1, 100)
    standing = scene.ledger.standing(ALICE.organization_id)
    assert (standing.spent, standing.reserved) == (done.actual_cost, Money())


def test_what_a_provider_asks_is_part_of_the_cost(tmp_path):
    scene = Scene(tmp_path / "r.db", {"backend": "aer", "per_circuit": "0.30", "per_shot": "0.01"})
    submission = scene.submit(shots=10)
    assert submission.estimated_cost > Money.of("0.40")
    job = scene.store.get(ALICE.organization_id, submission.job_id)
    done = finished(scene, scene.store.start(job, at_most_running=9, at_most_in_all=9))
    assert Money.of("0.40") < done.actual_cost < Money.of("0.41")


def test_a_run_that_fails_in_its_execution_pays_for_no_provider(tmp_path):
    scene = Scene(tmp_path / "r.db", {"backend": "aer", "per_circuit": "0.30"})
    job = scene.started()
    scene.compute.compile(job.reference)
    scene.final.fail(job.reference, StepFailure(Error="X", Cause=""))
    assert scene.jobs.get(ALICE, job.id).actual_cost < Money.of("0.01")


def test_a_budget_limit_is_the_ceiling_and_must_cover_what_is_expected(scene):
    assert scene.submit(budget_limit="0.05").reserved_cost == Money.of("0.05")
    with pytest.raises(InvalidError) as refused:
        scene.submit(budget_limit="0.000001")
    assert refused.value.code == "BUDGET_LIMIT_TOO_LOW"
    with pytest.raises(ValidationError):
        RunCircuit(budget_limit="0")


def test_a_backend_without_a_price_needs_a_budget_limit(scene, monkeypatch):
    monkeypatch.setattr(scene.prices, "backend", lambda *_: None)
    with pytest.raises(InvalidError) as refused:
        scene.submit()
    assert refused.value.code == "UNPRICED_BACKEND"
    assert scene.submit(budget_limit="0.05").reserved_cost == Money.of("0.05")


def test_each_step_may_take_as_long_as_the_reservation_pays_for(scene):
    job = scene.started(budget_limit="0.002")
    scene.compute.compile(job.reference)
    scene.compute.execute(job.reference)
    compile_s, execute_s = scene.alarms
    price = scene.prices.compute(1_000.0, 1_024).dollars / 1_000
    assert compile_s == pytest.approx(
        float((Decimal("0.002") - 3 * scene.meter.per_step.dollars) / price), rel=1e-3
    )
    assert execute_s < compile_s + 1e-3
    finished_long = scene.started(budget_limit="100")
    scene.compute.compile(finished_long.reference)
    assert scene.alarms[-1] == COMPILE_S


def ended(scene, job):
    """Begin to execute a job, and end the process in it."""

    def end(*_args, **_asked):
        raise SystemExit

    real, scene.provider.execute = scene.provider.execute, end
    with pytest.raises(SystemExit):
        scene.compute.execute(job.reference)
    scene.provider.execute = real


def test_a_step_whose_process_was_ended_at_the_ceiling_fails_the_job_and_its_time_is_spent(scene):
    job = scene.started(budget_limit="0.002")
    scene.compute.compile(job.reference)
    ended(scene, job)
    cause = json.dumps({"errorType": "Runtime.ExitError", "errorMessage": f"Runtime exited: {ENDED_BY_ALARM}"})
    scene.final.fail(job.reference, StepFailure(Error="Runtime.ExitError", Cause=cause))
    done = scene.jobs.get(ALICE, job.id)
    assert done.error.code == "COST_CEILING_REACHED"
    assert done.reserved_cost - scene.meter.per_step * 2 < done.actual_cost <= done.reserved_cost


def test_a_step_whose_process_ended_otherwise_fails_the_job_and_pays_for_its_time(scene):
    job = scene.started()
    scene.compute.compile(job.reference)
    before = scene.jobs.get(ALICE, job.id).cost_so_far
    ended(scene, job)
    scene.clock.turn(10)
    scene.final.fail(job.reference, StepFailure(Error="Runtime.ExitError", Cause="signal: killed"))
    done = scene.jobs.get(ALICE, job.id)
    assert done.error.code == "PROCESS_ENDED"
    time = scene.prices.compute(10.0, 1_024)
    assert time <= done.actual_cost - before < time + scene.meter.per_step * 2


def test_a_try_that_died_pays_at_most_half_of_what_is_left_however_long_nobody_looked(scene):
    job = scene.started()
    scene.compute.compile(job.reference)
    before = scene.jobs.get(ALICE, job.id)
    ended(scene, job)
    scene.clock.turn(3)
    ended(scene, job)
    after = scene.jobs.get(ALICE, job.id)
    time = scene.prices.compute(3.0, 1_024)
    assert time <= after.cost_so_far - before.cost_so_far < time + scene.meter.per_step
    scene.clock.turn(36_000)
    scene.compute.execute(job.reference)
    scene.final.collect(job.reference)
    done = scene.jobs.get(ALICE, job.id)
    assert done.status is JobStatus.COMPLETED
    left = after.reserved_cost - after.cost_so_far
    assert done.actual_cost - after.cost_so_far < Money(left.nano // 2) + scene.meter.per_step * 3


def test_a_job_that_was_cancelled_a_moment_ago_does_not_begin_to_compute(scene):
    job = scene.started()
    real = scene.store.hold

    def cancelled_first(*arguments):
        scene.jobs.cancel(ALICE, job.id)
        return real(*arguments)

    scene.store.hold = cancelled_first
    with pytest.raises(JobOverError):
        scene.compute.compile(job.reference)
    assert scene.provider.compiled == []


@pytest.mark.parametrize("stops", [True, False])
def test_a_job_that_is_cancelled_while_it_computes_pays_for_what_cannot_be_stopped(scene, stops):
    scene.workflows.stops_steps = stops
    job = scene.started()
    scene.compute.compile(job.reference)
    before = scene.jobs.get(ALICE, job.id).cost_so_far
    ended(scene, job)
    scene.clock.turn(5)
    cost = scene.jobs.cancel(ALICE, job.id).cost_incurred - before
    per_second = scene.prices.compute(1.0, 1_024)
    assert (per_second * 5 <= cost < per_second * 6) is stops
    if not stops:
        assert cost >= per_second * 60


def test_a_cancelled_run_says_what_it_used(scene):
    job = scene.started()
    scene.compute.compile(job.reference)
    cancelled = scene.jobs.cancel(ALICE, job.id)
    assert Money() < cancelled.cost_incurred < Money.of("0.001")


def test_submitting_and_cancelling_stand_in_the_audit_log(scene):
    job = scene.started()
    scene.jobs.cancel(ALICE, job.id)
    lines = scene.records.query(partition(ALICE.organization_id)).items
    told = [(line.values["action"], line.values["target"]) for line in lines]
    assert told[-2:] == [("job.submitted", job.id), ("job.cancelled", job.id)]


def test_an_organisation_runs_jobs_only_on_the_backends_that_it_allows():
    hardware = backends()["aer"].model_copy(update={"id": "qpu", "type": "hardware"})
    check_allowed(OrganizationSettings(allowed_backends=("aer",)), backends()["aer"])
    check_allowed(OrganizationSettings(enable_hardware=True), hardware)
    for settings, backend, code in (
        (OrganizationSettings(allowed_backends=("aer",)), backends()["fake_fez"], "BACKEND_NOT_ALLOWED"),
        (OrganizationSettings(allowed_backends=()), backends()["aer"], "BACKEND_NOT_ALLOWED"),
        (OrganizationSettings(), hardware, "HARDWARE_NOT_ENABLED"),
    ):
        with pytest.raises(ForbiddenError) as refused:
            check_allowed(settings, backend)
        assert refused.value.code == code


def test_the_list_of_backends_says_what_a_small_circuit_costs(scene):
    costs = {backend.id: backend.cost_per_circuit for backend in scene.backends.list()}
    assert Money() < costs["aer"] < Money.of("0.001")
    assert costs["aer"] < costs["fake_fez"]


# --- Lanes ---


def two_lanes(scene, lane=Lane.FUNCTION):
    lanes = Lanes(
        {Lane.FUNCTION: Limits(memory_mb=0.0001, seconds=890), Lane.BATCH: Limits(memory_mb=0.0002, seconds=14_340)}
    )
    files, ceiling = (
        JobFiles(scene.blobs),
        Ceiling(scene.store, scene.meter, scene.clock, scene.alarm, stoppable=True),
    )
    return ComputeSteps(
        scene.store, files, scene.provider, scene.backends, scene.prices, scene.meter, ceiling, lanes, lane
    )


def test_compiling_decides_the_lane_by_the_memory_that_the_compiled_circuit_needs(scene):
    scene.provider.megabytes = 0.00015
    assert two_lanes(scene).compile(scene.started(backend="fake_fez").reference) is Lane.BATCH


def test_a_compiled_circuit_that_fits_no_lane_fails_with_the_numbers(scene):
    scene.provider.megabytes = 200.0
    with pytest.raises(StepFailedError) as caught:
        two_lanes(scene).compile(scene.started(backend="fake_fez").reference)
    error = json.loads(str(caught.value))
    assert error["code"] == "TOO_LARGE_TO_SIMULATE"
    assert error["details"]["needed_mb"] == 200.0


def test_an_execution_that_reported_is_not_done_or_charged_again(scene):
    job = scene.started()
    scene.compute.compile(job.reference)
    scene.compute.execute(job.reference)
    cost, alarms = scene.store.get(job.organization_id, job.id).cost_so_far, len(scene.alarms)
    scene.compute.execute(job.reference)
    assert scene.store.get(job.organization_id, job.id).cost_so_far == cost
    assert len(scene.alarms) == alarms


def test_a_step_that_ends_with_its_workflow_is_charged_only_until_it_was_cancelled(scene):
    def cancels(*_, **__):
        scene.workflows.stops_steps = False  # as Step Functions, for functions
        scene.jobs.cancel(ALICE, job.id)
        raise JobOverError(job.id)

    job = scene.started()
    steps = two_lanes(scene, Lane.BATCH)
    scene.compute.compile(job.reference)
    scene.provider.execute = cancels
    with pytest.raises(JobOverError):
        steps.execute(job.reference)
    ended = scene.store.get(job.organization_id, job.id)
    assert ended.status is JobStatus.CANCELLED
    assert ended.actual_cost.nano < ended.reserved_cost.nano / 10
