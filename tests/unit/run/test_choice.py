"""`auto` finds candidates, compiles for each, chooses by the objective, and says why."""

import pytest
from pydantic import ValidationError

from ketbase.accounts.types import OrganizationSettings
from ketbase.backends.catalog import backends as catalogue
from ketbase.backends.prediction import predicted_success
from ketbase.backends.types import CompiledCircuit
from ketbase.circuits.types import CreateCircuit
from ketbase.costs.estimates import expected_seconds
from ketbase.costs.shapes import Shape, shape_of
from ketbase.errors import InvalidCircuitError, InvalidError, UnavailableError
from ketbase.money import Money
from ketbase.run.candidates import MAX_CANDIDATES
from ketbase.run.choosing import Choice
from ketbase.run.types import RunCircuit, RunConfig
from ketbase.steps.failures import StepFailedError
from tests.fakes import ALICE, FakeProvider

from .test_run import Scene

DEVICES = {"types": ["simulated_device"]}


class Compiler(FakeProvider):
    """Promises the success that a test gives each backend, less for every further seed."""

    def __init__(self, success):
        super().__init__()
        self.success = success
        self.problems = {}
        self.cannot_fold = {}

    def compile(self, definition, **asked) -> CompiledCircuit:
        backend = asked["backend"].id
        if backend in self.problems:
            raise self.problems[backend]
        if backend in self.cannot_fold and asked["experiment"].mitigation.zne is not None:
            raise self.cannot_fold[backend]
        compiled = super().compile(definition, **asked)
        success = self.success.get(backend, 0.5) - asked["seed"] % 3 * 0.01
        return compiled.model_copy(update={"estimated_success": success, "depth": asked["seed"]})


@pytest.fixture
def scene(tmp_path):
    scene = Scene(tmp_path / "r.db")
    scene.compute._provider = scene.compute._chooser._provider = Compiler({"fake_kyiv": 0.9, "fake_fez": 0.8})
    return scene


def chosen(scene, **body):
    job = scene.started(backend="auto", seed=0, **body)
    assert job.backend == "auto"
    scene.compute.compile(job.reference)
    return scene.store.get(job.organization_id, job.id)


ASKED = {"backends": ["fake_fez", "fake_kyiv", "fake_torino"]}


def test_the_highest_estimated_success_is_chosen_and_the_answer_says_why(scene):
    job = chosen(scene, constraints=ASKED)
    assert (job.backend, job.config["backend"]) == ("fake_kyiv", "fake_kyiv")
    scene.compute.execute(job.reference)
    scene.final.collect(job.reference)
    choice = scene.jobs.result(ALICE, job.id)["provenance"]["choice"]
    assert choice["backend"] == "fake_kyiv"
    assert choice["reason"] == "estimated success 0.900, the highest of 3 candidates"
    told = {each["backend"]: each["estimated_success"] for each in choice["candidates"]}
    assert told == {"fake_kyiv": 0.9, "fake_fez": 0.8, "fake_torino": 0.5}
    events = [event.type for event in scene.store.events(job.id)]
    assert events.count("run.chosen") == 1


def test_of_several_layouts_the_best_one_is_kept(scene):
    job = chosen(scene, constraints=ASKED)
    compiled = scene.compute._files.compiled(job.reference)
    assert (compiled.backend, compiled.estimated_success, compiled.depth) == ("fake_kyiv", 0.9, 0)


def test_a_job_that_was_sent_to_a_backend_stays_there(scene):
    job = chosen(scene, constraints=ASKED)
    scene.compute._provider.success["fake_fez"] = 1.0
    scene.compute.compile(job.reference)
    assert scene.store.get(job.organization_id, job.id).backend == "fake_kyiv"


def test_by_cost_the_cheapest_that_is_good_enough_is_chosen(tmp_path):
    prices = {"backend": "fake_kyiv", "per_circuit": "0.10"}
    scene = Scene(tmp_path / "r.db", prices)
    scene.compute._provider = scene.compute._chooser._provider = Compiler({"fake_kyiv": 0.9, "fake_fez": 0.2})
    body = {"objective": "cost", "constraints": {"backends": ["fake_kyiv", "fake_fez"]}}
    assert chosen(scene, **body).backend == "fake_fez"
    body["constraints"]["min_success"] = 0.5
    job = chosen(scene, **body)
    assert job.backend == "fake_kyiv"
    assert job.reserved_cost > Money.of("0.10")  # the dearest was set aside


def test_what_a_candidate_cannot_run_leaves_the_others(scene):
    scene.compute._provider.problems["fake_kyiv"] = InvalidCircuitError("UNSUPPORTED_OPERATION", "no while_loop")
    assert chosen(scene, constraints=ASKED).backend == "fake_fez"


FOLDED = {"observables": [{"terms": {"ZZ": 1}}], "mitigation": {"zne": {}}}


def test_what_a_candidate_cannot_run_beside_the_circuit_leaves_the_others(scene):
    refused = InvalidCircuitError("UNSUPPORTED_OPERATION", "fake_kyiv folds no gates")
    scene.compute._provider.cannot_fold["fake_kyiv"] = refused
    job = chosen(scene, constraints=ASKED, **FOLDED)
    choice = Choice.model_validate_json(scene.compute._files.choice(job.reference))
    assert (job.backend, choice.backend) == ("fake_fez", "fake_fez")
    assert choice.reason == "estimated success 0.800, the highest of 2 candidates"
    excluded = {each.backend: each.excluded for each in choice.candidates}
    assert excluded == {"fake_kyiv": "fake_kyiv folds no gates", "fake_fez": None, "fake_torino": None}
    assert scene.compute._files.compiled(job.reference).estimated_success == 0.8


def test_candidates_that_went_away_before_all_was_compiled_are_asked_again(scene):
    away = UnavailableError("PROVIDER_UNAVAILABLE", "not now")
    scene.compute._provider.cannot_fold = dict.fromkeys(ASKED["backends"], away)
    with pytest.raises(UnavailableError):
        chosen(scene, constraints=ASKED, **FOLDED)


def test_where_no_candidate_is_good_enough_the_job_fails_with_the_reasons(scene):
    with pytest.raises(StepFailedError, match=r"its estimated success is 0\.900"):
        chosen(scene, constraints={**ASKED, "min_success": 0.99})


def test_candidates_that_are_away_are_asked_again(scene):
    for backend in ASKED["backends"]:
        scene.compute._provider.problems[backend] = UnavailableError("PROVIDER_UNAVAILABLE", "not now")
    with pytest.raises(UnavailableError):
        chosen(scene, constraints=ASKED)


@pytest.mark.parametrize(
    ("constraints", "said"),
    [
        ({"backends": ["fake_atlantis"]}, "is not one of"),
        ({"types": ["hardware"]}, "is a simulated device"),
        ({"providers": ["ionq"]}, "is of aer"),
        ({"max_cost": "0.0000001"}, "is expected to cost"),
    ],
)
def test_where_no_backend_suits_nothing_is_set_aside_and_the_answer_says_why(scene, constraints, said):
    with pytest.raises(InvalidError) as refused:
        scene.submit(backend="auto", constraints=constraints)
    assert refused.value.code == "NO_BACKEND"
    assert said in refused.value.details["backends"]["fake_fez"]
    assert scene.ledger.standing(ALICE.organization_id).reserved == Money()


def test_what_the_organisation_does_not_allow_is_no_candidate(scene, monkeypatch):
    settings = OrganizationSettings(allowed_backends=("fake_torino",))
    allowed = type("Organization", (), {"settings": settings})()
    monkeypatch.setattr(scene.accounts, "organization", lambda _: allowed)
    assert chosen(scene).backend == "fake_torino"


def test_only_the_most_promising_are_compiled(scene):
    chosen(scene, constraints=DEVICES)
    assert len({asked["backend"].id for asked in scene.compute._provider.compiled}) == MAX_CANDIDATES


def test_constraints_without_auto_are_refused():
    with pytest.raises(ValidationError, match="auto"):
        RunCircuit(backend="aer", constraints={"min_success": 0.5})


def test_the_first_look_prefers_fewer_errors_and_takes_simulators_for_perfect():
    shape = Shape(n_qubits=5, gates=30, two_qubit_gates=10)
    devices = [each for each in catalogue().values() if each.calibration is not None]
    by_error = sorted(devices, key=lambda each: each.calibration.median_two_qubit_error)
    assert predicted_success(shape, by_error[0]) > predicted_success(shape, by_error[-1])
    assert predicted_success(shape, catalogue()["aer"]) == 1.0


def test_a_sweep_is_compiled_whole_for_the_chosen_backend_only(scene):
    job = chosen(scene, constraints=ASKED, sweep=[{}, {}, {}])
    asked = [(each["backend"].id, len(each["experiment"].parameters)) for each in scene.compute._provider.compiled]
    assert asked.count(("fake_kyiv", 3)) == 1
    assert [backend for backend, sets in asked if sets > 1] == ["fake_kyiv"]
    assert job.backend == "fake_kyiv"


def test_a_repeated_compilation_keeps_the_layout_that_was_chosen(scene, monkeypatch):
    job = scene.started(backend="auto", seed=1, constraints=ASKED)
    report = scene.store.report
    monkeypatch.setattr(scene.store, "report", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scene.compute.compile(job.reference)
    monkeypatch.setattr(scene.store, "report", report)
    compilations = len(scene.compute._provider.compiled)
    assert scene.compute.compile(job.reference) == "function"
    compiled = scene.compute._files.compiled(job.reference)
    assert (compiled.backend, compiled.depth) == ("fake_kyiv", 3)
    assert len(scene.compute._provider.compiled) == compilations


@pytest.mark.parametrize("crashing", ["choice.json", "compiled.json"])
def test_a_choice_that_was_not_written_down_is_made_again(scene, crashing, monkeypatch):
    job = scene.started(backend="auto", seed=1, constraints=ASKED)
    keep = scene.compute._files.keep
    with monkeypatch.context() as patch:
        patch.setattr(scene.compute._files, "keep", lambda *what: 1 / 0 if what[1] == crashing else keep(*what))
        with pytest.raises(ZeroDivisionError):
            scene.compute.compile(job.reference)
    scene.compute.compile(job.reference)
    assert scene.compute._files.compiled(job.reference).depth == 3


class SlowCompiler(Compiler):
    def __init__(self, seconds):
        super().__init__({})
        self.seconds = seconds
        self.now = 1_000.0

    def compile(self, definition, **asked) -> CompiledCircuit:
        self.now += self.seconds
        return super().compile(definition, **asked)


@pytest.mark.parametrize(
    ("each_s", "compilations", "considered"),
    [(1, 9, 3), (22, 5, 2), (35, 2, 1), (100, 1, 1)],
)
def test_candidates_are_compiled_as_long_as_there_is_time(scene, each_s, compilations, considered, monkeypatch):
    slow = scene.compute._provider = scene.compute._chooser._provider = SlowCompiler(each_s)
    monkeypatch.setattr("ketbase.run.choice.time.monotonic", lambda: slow.now)
    job = chosen(scene, constraints=ASKED)
    assert len(slow.compiled) == compilations
    choice = Choice.model_validate_json(scene.compute._files.choice(job.reference))
    told = [each.excluded for each in choice.candidates]
    assert told == [None] * considered + ["there was no time left"] * (3 - considered)


def test_choosing_is_priced_by_its_compilations(scene):
    large = scene.circuits.create(
        ALICE,
        CreateCircuit.model_validate(
            {"name": "c", "n_qubits": 2, "gates": [{"type": "CNOT", "targets": [0, 1]}] * 10_000}
        ),
    )

    def reserved(**body):
        submission = scene.runs.submit(ALICE, large.id, RunCircuit(**body), None)
        return scene.store.get(ALICE.organization_id, submission.job_id)

    one = reserved(backend="fake_kyiv")
    among_three = reserved(backend="auto", constraints=ASKED)
    compiling = scene.prices.compute(
        expected_seconds(shape_of(large), catalogue()["fake_kyiv"], 1_024).compile, 1_024
    )
    assert among_three.estimated_cost - one.estimated_cost >= Money(9 * compiling.nano * 9 // 10)
    assert among_three.reserved_cost > one.reserved_cost
    candidates = RunConfig.model_validate(among_three.config).candidates
    assert {each.estimated_cost for each in candidates} >= {one.estimated_cost}
