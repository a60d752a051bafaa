"""The steps of a training: killed anywhere they go on with the same numbers, and each epoch is charged once."""

import json
from contextlib import nullcontext, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ketbase.errors import ExecutionError, InvalidError
from ketbase.jobs.types import JobStatus
from ketbase.money import Money
from ketbase.steps.ceiling import ENDED_BY_ALARM, JobOverError
from ketbase.steps.failures import StepFailedError
from ketbase.steps.types import StepFailure
from ketbase.training import steps as training_steps
from ketbase.training.types import TrainingResult
from tests.fakes import ALICE
from tests.unit.training.scene import CIRCUITS, SECONDS, Scene

AT_CEILING = StepFailure(Error="Runtime.ExitError", Cause=json.dumps({"errorMessage": f"Runtime {ENDED_BY_ALARM}"}))
WITHOUT_MEMORY = StepFailure(Error="Runtime.ExitError", Cause=json.dumps({"errorMessage": "signal: killed"}))
SWEEP = {"parameters": {"learning_rate": [0.1, 0.2]}}


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path / "records.db")


def epoch_charge(scene):
    return scene.meter.time(SECONDS)


def charged(scene, job):
    """What the events say that epochs cost."""
    return sum((Money.of(each["cost"]) for each in scene.events(job, "training.epoch")), Money())


def code_of(refused):
    return json.loads(str(refused.value))["code"]


def test_a_training_ends_with_a_model_and_a_result(scene):
    job = scene.run(scene.started(epochs=5, body={"name": "Mine"}))
    assert (job.status, job.progress.percentage, job.progress.current_epoch) == (JobStatus.COMPLETED, 100, 5)
    result = TrainingResult.model_validate(scene.result(job))
    assert [report.number for report in result.history] == [1, 2, 3, 4, 5]
    assert (result.stopped_by, result.best_trial, result.model_version) == ("epochs", 0, "1.0.0")
    model = scene.registry.get(ALICE, result.model_id)
    assert (model.name, model.training_job_id, model.lineage.job_id) == ("Mine", job.id, job.id)
    assert scene.registry.artifact(ALICE.organization_id, model).arrays == scene.kept.checkpoint(job.reference, 0)


def test_a_job_shows_how_far_it_is_and_how_long_it_will_take(scene):
    job = scene.started(epochs=100)
    scene.steps.prepare(job.reference)
    seen = []
    scene.trainer.after = lambda number: seen.append(scene.job(job.id)) if number == 60 else None
    scene.steps.train(job.reference, 0)
    progress, metrics = seen[0].progress, seen[0].metrics
    assert (progress.current_epoch, progress.total_epochs, progress.percentage) == (50, 100, 50)
    assert progress.eta_seconds == pytest.approx(50 * SECONDS)
    losses = [each["loss"] for each in scene.events(job, "training.epoch")[:50]]
    assert metrics.current_loss == losses[-1]
    assert metrics.best_loss == pytest.approx(min(losses) + 0.05)
    assert metrics.training_accuracy == 1 - losses[-1]


# --- Killed ---


def undisturbed(tmp_path_factory, **config):
    scene = Scene(tmp_path_factory.mktemp("whole") / "records.db")
    job = scene.run(scene.started(**config))
    return scene, job


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return undisturbed(tmp_path_factory, epochs=20, sweep=SWEEP)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lives=st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=8),
    stretch_s=st.sampled_from([0.0, 600.0]),
    at_once=st.sampled_from([1, 3, 50]),
)
def test_a_training_killed_anywhere_has_the_same_epochs_and_pays_for_each_once(
    whole, tmp_path_factory, lives, stretch_s, at_once
):
    expected, done = whole
    scene = Scene(tmp_path_factory.mktemp("killed") / "records.db", stretch_s=stretch_s)
    job = scene.started(epochs=20, sweep=SWEEP)
    left = list(lives)

    def live():
        if left:
            scene.executioner.left, scene.executioner.behind = left.pop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_steps, "MOST_EPOCHS", at_once)
        live()
        killed = scene.run(job, again=live)
    scene.executioner.left = None
    for trial in (0, 1):
        numbers = [each["number"] for each in scene.events(killed, "training.epoch") if each["trial"] == trial]
        assert numbers == list(range(1, 21))
        assert scene.kept.checkpoint(job.reference, trial) == expected.kept.checkpoint(done.reference, trial)
    assert scene.result(killed)["history"] == expected.result(done)["history"]
    assert charged(scene, killed) == epoch_charge(scene) * 40
    assert killed.resources.circuits_executed == 40 * CIRCUITS
    assert killed.actual_cost >= charged(scene, killed)
    listed = scene.registry.list(ALICE, None, None, page())
    assert [model.id for model in listed.items] == [scene.result(killed)["model_id"]]


def page():
    from ketbase.paging import PageRequest

    return PageRequest()


def test_a_process_that_was_given_up_and_still_trains_charges_nothing_twice(scene, monkeypatch):
    job = scene.started(epochs=120)
    scene.steps.prepare(job.reference)

    def meanwhile(number):
        if number == 10:
            scene.trainer.after = lambda _number: None
            monkeypatch.setattr(scene.steps, "_stretch_s", 0.0)
            assert scene.steps.train(job.reference, 0) is True
            monkeypatch.setattr(scene.steps, "_stretch_s", 600.0)

    scene.trainer.after = meanwhile
    assert scene.steps.train(job.reference, 0) is False
    assert len(scene.trainer.trained) == 120 + 50  # both of them trained, from the beginning
    assert [each["number"] for each in scene.events(job, "training.epoch")] == list(range(1, 121))
    assert charged(scene, job) == epoch_charge(scene) * 120


def test_a_job_that_is_started_again_goes_on_from_its_checkpoint(scene):
    job = scene.started(epochs=120)
    scene.steps.prepare(job.reference)
    scene.trainer.after = lambda number: scene.store.requeue(scene.job(job.id), "it died") if number == 60 else None
    with suppress(JobOverError):
        scene.steps.train(job.reference, 0)
    again = scene.store.start(scene.job(job.id), at_most_running=10, at_most_in_all=10)
    assert (again.attempt, again.trials[0].epochs) == (2, 50)
    completed = scene.run(again)
    assert completed.status is JobStatus.COMPLETED
    assert [each["number"] for each in scene.events(job, "training.epoch")] == list(range(1, 121))


# --- Money ---


@pytest.fixture
def one_by_one(monkeypatch):
    """Epochs that take longer than a second are reported one by one."""
    monkeypatch.setattr(training_steps, "MOST_EPOCHS", 1)


@pytest.mark.usefixtures("one_by_one")
def test_a_training_stops_at_the_last_epoch_that_its_budget_limit_allows(scene):
    seconds = scene.meter.time(400 * SECONDS)
    scene.trainer.slow[0] = 15.0  # far more than was expected
    job = scene.run(scene.started(epochs=1_000, body={"budget_limit": str(seconds)}))
    assert job.status is JobStatus.COMPLETED
    assert job.actual_cost <= seconds
    assert scene.result(job)["stopped_by"] == "budget"
    assert job.epochs_completed == 5


@pytest.mark.usefixtures("one_by_one")
def test_a_training_without_a_budget_limit_asks_for_more_within_the_month(scene):
    scene.trainer.slow[0] = 40.0
    job = scene.run(scene.started(epochs=30))
    assert job.epochs_completed == 30
    assert scene.events(job, "job.extended")
    assert job.actual_cost >= scene.meter.time(40.0) * 30


@pytest.mark.usefixtures("one_by_one")
def test_a_trial_that_was_given_more_may_go_on_for_all_that_it_holds_now(scene, monkeypatch):
    scene.trainer.slow[0] = 30.0
    job = scene.started(epochs=9)
    scene.steps.prepare(job.reference)
    given = []

    def alarm(seconds):
        given.append((seconds, scene.meter.seconds_for(scene.job(job.id).trials[0].held)))
        return nullcontext()

    monkeypatch.setattr(scene.steps, "_alarm", alarm)
    scene.steps.train(job.reference, 0)
    assert scene.events(job, "job.extended")
    assert [seconds for seconds, _ in given] == [held for _, held in given]


def test_money_for_no_time_at_all_still_ends_the_process(scene):
    scene.alarms.clear()
    with scene.steps._ended_after(0.0, 600.0):
        assert scene.alarms[0] > 0


@pytest.mark.usefixtures("one_by_one")
def test_a_month_without_room_stops_a_training_at_its_checkpoint(tmp_path):
    scene = Scene(tmp_path / "records.db", limit="0.01")
    scene.trainer.slow[0] = 40.0
    job = scene.run(scene.started(epochs=30))
    assert scene.result(job)["stopped_by"] == "budget"
    assert 0 < job.epochs_completed < 30
    assert job.actual_cost <= Money.of("0.01")


def test_a_process_whose_epoch_used_up_the_money_stops_the_trial_at_the_one_before(scene):
    job = scene.started(epochs=300, body={"budget_limit": "0.01"})
    scene.steps.prepare(job.reference)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene.steps, "_stretch_s", 0.0)
        assert scene.steps.train(job.reference, 0) is True
    assert scene.steps.train(job.reference, 0, AT_CEILING) is False
    scene.steps.finish(job.reference)
    assert scene.result(job)["stopped_by"] == "budget"
    assert len(scene.result(job)["history"]) == 50


def test_a_process_whose_epoch_used_up_the_money_goes_on_where_more_may_be_spent(scene):
    job = scene.started(epochs=3)
    scene.steps.prepare(job.reference)
    before = scene.job(job.id).reserved_cost
    assert scene.steps.train(job.reference, 0, AT_CEILING) is True
    assert scene.job(job.id).reserved_cost > before
    assert scene.run(scene.job(job.id)).epochs_completed == 3


def test_a_training_that_cannot_afford_its_first_epoch_fails_because_of_its_cost(scene):
    job = scene.started(epochs=3, body={"budget_limit": "0.01"})
    scene.steps.prepare(job.reference)
    with pytest.raises(StepFailedError) as refused:
        scene.steps.train(job.reference, 0, AT_CEILING)
    assert code_of(refused) == "COST_CEILING_REACHED"


def test_a_process_that_ended_for_want_of_memory_says_so(scene):
    job = scene.started(epochs=3)
    scene.steps.prepare(job.reference)
    with pytest.raises(StepFailedError) as refused:
        scene.steps.train(job.reference, 0, WITHOUT_MEMORY)
    assert code_of(refused) == "PROCESS_ENDED"


def test_the_process_ends_when_what_its_trial_holds_is_used_up(scene):
    job = scene.started(epochs=200, body={"budget_limit": "0.002"})
    scene.steps.prepare(job.reference)
    scene.alarms.clear()
    scene.steps.train(job.reference, 0)
    held = scene.meter.time(min(scene.alarms))
    assert held < Money.of("0.002")
    assert scene.alarms == sorted(scene.alarms, reverse=True)


def test_the_evaluation_of_the_widest_trial_is_kept_back(scene):
    later = []
    for widths in ([2], [2, 16], [16]):
        job = scene.started(epochs=1, sweep={"parameters": {"n_qubits": widths}})
        scene.steps.prepare(job.reference)
        later.append(scene.steps._stretch(scene.job(job.id), 0).later)
    assert later[0] < later[1] == later[2]


# --- Several trials ---


def test_the_best_of_twelve_trials_becomes_the_model(scene):
    rates = [2.4, 6.0, 3.6, 9.6, 1.2, 8.4]
    sweep = {"parameters": {"learning_rate": rates, "layers": [1, 2]}}
    job = scene.run(scene.started(epochs=4, sweep=sweep))
    result = scene.result(job)
    assert len(result["trials"]) == 12
    assert result["trials"][result["best_trial"]]["changed"]["learning_rate"] == 1.2


def test_a_trial_that_diverges_is_left_out_of_its_sweep(scene):
    scene.trainer.failing = {0}
    job = scene.run(scene.started(epochs=4, sweep=SWEEP))
    assert [trial.ended for trial in job.trials] == ["failed", "epochs"]
    assert [each["number"] for each in scene.result(job)["trials"]] == [1]


@pytest.mark.parametrize("sweep", [None, SWEEP])
def test_a_training_of_which_nothing_is_left_fails_with_what_went_wrong(scene, sweep):
    scene.trainer.failing = {0, 1}
    with pytest.raises(StepFailedError) as refused:
        scene.run(scene.started(epochs=4, sweep=sweep))
    assert code_of(refused) == "TRAINING_DIVERGED"


# --- Before and beside ---


def test_what_is_wrong_with_the_data_fails_the_job_and_nothing_is_charged_for_epochs(scene):
    scene.trainer.problem = InvalidError("INVALID_DATA", "Row 3 holds NaN.", line=3)
    job = scene.started(epochs=4)
    with pytest.raises(StepFailedError) as refused:
        scene.steps.prepare(job.reference)
    failed = scene.fail(job, refused.value)
    assert (failed.error.code, failed.error.details) == ("INVALID_DATA", {"line": 3})
    assert scene.events(job, "training.epoch") == []


def test_a_deleted_upload_fails_the_job_by_its_name(scene):
    made = scene.datasets.create(ALICE, create_dataset()).dataset.id
    scene.blobs.put(f"datasets/{ALICE.organization_id}/{made}/file", b"1,2\n", content_type="text/csv")
    job = scene.started(dataset={"type": "upload", "dataset_id": made})
    scene.datasets.delete(ALICE, made)
    with pytest.raises(StepFailedError) as refused:
        scene.steps.prepare(job.reference)
    assert code_of(refused) == "DATASET_NOT_FOUND"


def create_dataset():
    from ketbase.datasets.types import CreateDataset

    return CreateDataset(name="mine", format="csv")


def test_a_provider_that_is_away_is_left_to_the_workflow(scene):
    from ketbase.errors import UnavailableError

    job = scene.started(epochs=4)
    scene.steps.prepare(job.reference)

    def away(number):
        raise UnavailableError("PROVIDER_UNAVAILABLE", "nobody answers")

    scene.trainer.after = away
    with pytest.raises(UnavailableError):
        scene.steps.train(job.reference, 0)


def test_a_cancelled_training_stops_within_a_report_and_says_how_many_epochs_it_had(scene):
    job = scene.started(epochs=200)
    scene.steps.prepare(job.reference)
    answers = []
    scene.trainer.after = lambda number: answers.append(scene.jobs.cancel(ALICE, job.id)) if number == 70 else None
    with pytest.raises(JobOverError):
        scene.steps.train(job.reference, 0)
    (answer,) = answers
    assert (answer.status, answer.epochs_completed) == (JobStatus.CANCELLED, 50)
    assert answer.cost_incurred == scene.job(job.id).actual_cost
    assert len(scene.trainer.trained) <= 100
    assert charged(scene, job) == epoch_charge(scene) * 50


@pytest.mark.parametrize("step", ["prepare", "finish"])
def test_no_step_works_for_a_job_that_is_over(scene, step):
    job = scene.started(epochs=2)
    scene.steps.prepare(job.reference)
    scene.jobs.cancel(ALICE, job.id)
    with pytest.raises(JobOverError):
        getattr(scene.steps, step)(job.reference)


def test_an_error_of_execution_fails_a_training_that_is_one_trial(scene):
    job = scene.started(epochs=4)
    scene.steps.prepare(job.reference)

    def breaks(number):
        raise ExecutionError("INSUFFICIENT_MEMORY", "too large")

    scene.trainer.after = breaks
    with pytest.raises(StepFailedError) as refused:
        scene.steps.train(job.reference, 0)
    assert code_of(refused) == "INSUFFICIENT_MEMORY"
