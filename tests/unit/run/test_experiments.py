"""Sweeps and observables from their submission to their result, with everything real but the quantum room."""

import json

import pytest

from ketbase.backends.catalog import backends
from ketbase.circuits.store import CircuitStore
from ketbase.circuits.types import CreateCircuit, Placement
from ketbase.errors import InvalidCircuitError, InvalidError
from ketbase.money import Money
from ketbase.paging import PageRequest
from ketbase.run.configs import MAX_BYTES
from ketbase.run.service import check_fits
from ketbase.run.types import RunCircuit
from tests.fakes import ALICE

from .test_run import Scene

ANSATZ = [
    {"type": "RY", "targets": [0], "parameters": {"theta": "a"}},
    {"type": "RY", "targets": [1], "parameters": {"theta": "2*b"}},
    {"type": "CNOT", "targets": [0, 1]},
]
SWEEP = [{"a": 0.1}, {"a": 0.2}, {"a": 0.3}]
ENERGY = {"name": "energy", "terms": {"ZZ": 1.0, "XX": 0.5, "II": -3.0}}


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path / "r.db")


def stored(scene, gates=ANSATZ, **body):
    return scene.circuits.create(
        ALICE, CreateCircuit.model_validate({"name": "c", "n_qubits": 2, "gates": gates, **body})
    )


def submitted(scene, gates=ANSATZ, **body):
    asked = RunCircuit.model_validate({"parameters": {"b": 0.5}, "shots": 100, **body})
    submission = scene.runs.submit(ALICE, stored(scene, gates).id, asked, None)
    return scene.store.get(ALICE.organization_id, submission.job_id)


def finished(scene, **body):
    job = scene.store.start(submitted(scene, **body), at_most_running=9, at_most_in_all=9)
    scene.compute.compile(job.reference)
    scene.compute.execute(job.reference)
    scene.final.collect(job.reference)
    return scene.jobs.get(ALICE, job.id), scene.jobs.result(ALICE, job.id)


def test_a_sweep_has_the_counts_of_each_set_and_costs_each_circuit(scene):
    job, result = finished(scene, sweep=SWEEP)
    assert scene.provider.compiled[0]["experiment"].parameters == (
        {"a": 0.1, "b": 0.5},
        {"a": 0.2, "b": 0.5},
        {"a": 0.3, "b": 0.5},
    )
    assert (result["circuits"], result["shots"], len(result["sweep"])) == (3, 100, 3)
    assert result["counts"] == result["sweep"][0] == {"00": 100}
    assert (job.resources.circuits_executed, job.resources.total_shots) == (3, 300)
    assert scene.backends.status("aer").performance.circuits_today == 3


def test_observables_have_values_in_place_of_counts(scene):
    job, result = finished(
        scene, sweep=SWEEP, observables=[ENERGY], mitigation={"readout": True, "zne": {"scales": [1, 3]}}
    )
    assert (result["counts"], result["sweep"]) == ({}, [])
    assert [value["parameters"] for value in result["expectation_values"]] == [0, 1, 2]
    assert result["circuits"] == job.resources.circuits_executed == 3 * 2 * 2 + 2
    assert result["provenance"]["options"]["observables"][0]["name"] == "energy"


def test_observables_of_an_optimised_circuit_are_refused_and_the_answer_names_the_original(scene):
    original = stored(scene, [{"type": "H", "targets": [0]}])
    placement = Placement(backend="fake_fez", qubits=(5, 6), original=original.id)
    optimized = original.model_copy(update={"id": "circuit_optimized", "placement": placement})
    CircuitStore(scene.records, scene.blobs).add(ALICE.organization_id, optimized)
    asked = RunCircuit(observables=[ENERGY], backend="fake_fez")
    with pytest.raises(InvalidCircuitError, match=original.id) as refused:
        scene.runs.submit(ALICE, optimized.id, asked, None)
    assert (refused.value.code, refused.value.details["original"]) == ("OPTIMIZED_CIRCUIT", original.id)
    assert scene.ledger.standing(ALICE.organization_id).reserved == Money()
    assert scene.runs.submit(ALICE, original.id, asked, None).job_id
    assert scene.runs.submit(ALICE, optimized.id, RunCircuit(backend="fake_fez"), None).job_id


def test_each_circuit_and_each_shot_is_priced(tmp_path):
    scene = Scene(tmp_path / "r.db", {"backend": "aer", "per_circuit": "0.30", "per_shot": "0.01"})
    job, _ = finished(scene, sweep=SWEEP)
    asked = Money.of("0.30") * 3 + Money.of("0.01") * 300
    for cost in (job.estimated_cost, job.actual_cost):
        assert asked < cost < asked + Money.of("0.01")
    assert job.actual_cost <= job.reserved_cost


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"sweep": [{"a": 0.1}, {}]}, "UNBOUND_PARAMETERS", "sweep.1"),
        ({"sweep": [{"a": 0.1}, {"a": 0.1, "c": 1.0}]}, "UNKNOWN_PARAMETERS", "sweep.1"),
        ({"parameters": {"b": 1.0}}, "UNBOUND_PARAMETERS", "parameters"),
        ({"sweep": SWEEP, "observables": [{"terms": {"ZZZ": 1}}]}, "INVALID_OBSERVABLE", "observables.0"),
        ({"sweep": SWEEP, "observables": [{"terms": {"II": 1}}]}, "INVALID_OBSERVABLE", "observables"),
        ({"sweep": SWEEP, "mitigation": {"readout": True}}, "MITIGATION_WITHOUT_OBSERVABLES", "mitigation"),
        ({"sweep": SWEEP * 250, "observables": [ENERGY]}, "TOO_MANY_CIRCUITS", None),
    ],
)
def test_what_cannot_be_done_is_refused_before_it_is_queued(scene, body, code, field):
    with pytest.raises(InvalidError) as refused:
        submitted(scene, **body)
    assert (refused.value.code, refused.value.details.get("field")) == (code, field)
    assert scene.jobs.list(ALICE, [], PageRequest()).total == 0


@pytest.mark.parametrize(
    "gates",
    [
        [{"type": "MEASURE", "targets": [0]}, {"type": "H", "targets": [0]}],
        [{"type": "RESET", "targets": [0]}],
    ],
)
def test_observables_of_a_circuit_that_does_something_after_measuring_are_refused(scene, gates):
    with pytest.raises(InvalidCircuitError) as refused:
        submitted(scene, gates, parameters={}, observables=[ENERGY])
    assert refused.value.code == "UNSUPPORTED_OPERATION"


def test_the_number_of_circuits_and_how_it_comes_about_are_said(scene):
    backend = backends()["aer"]
    few = backend.model_copy(update={"capabilities": backend.capabilities.model_copy(update={"max_circuits": 10})})
    body = RunCircuit.model_validate({"parameters": {"b": 1}, "sweep": SWEEP * 2, "observables": [ENERGY]})
    with pytest.raises(InvalidCircuitError, match=r"at most 10 circuits .* 12 \(6 parameter sets × 2 bases"):
        check_fits(stored(scene), few, body)


def test_a_thousand_sets_lie_beside_the_record_and_are_whole_in_every_step(scene):
    sweep = [{"a": 0.001 * number} for number in range(1_000)]
    assert len(json.dumps(sweep)) > MAX_BYTES
    job, result = finished(scene, sweep=sweep)
    assert len(json.dumps(job.config)) < 1_000
    assert (job.config["circuits"], job.config["sweep"]) == (1_000, [])
    assert len(scene.provider.compiled[0]["experiment"].parameters) == 1_000
    assert len(result["sweep"]) == 1_000
    options = result["provenance"]["options"]
    assert (options["sweep"], options["apart"]) == (sweep, False)


def test_few_outcomes_leave_room_for_many_shots(scene):
    assert submitted(scene, sweep=SWEEP * 333, shots=1_000_000).config["circuits"] == 999


def test_a_few_sets_are_seen_in_the_job(scene):
    job = submitted(scene, sweep=SWEEP)
    assert job.config["sweep"] == SWEEP


def test_a_run_of_many_circuits_that_was_submitted_twice_is_one(scene):
    circuit = stored(scene)
    body = RunCircuit.model_validate({"parameters": {"b": 1}, "sweep": SWEEP, "observables": [ENERGY]})
    first, again = (scene.runs.submit(ALICE, circuit.id, body, "key").job_id for _ in range(2))
    assert first == again


def test_a_backend_is_chosen_for_a_sweep_by_what_all_of_it_costs(scene):
    job, result = finished(scene, sweep=SWEEP, backend="auto", objective="cost")
    assert job.config["circuits"] == result["circuits"] == 3
