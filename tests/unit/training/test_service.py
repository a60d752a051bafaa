"""What is known to be wrong with a training is refused before any money is reserved, and the rest is priced."""

from datetime import date

import pytest

from ketbase.backends.catalog import backends
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.costs.prices import BackendPrice, Prices
from ketbase.costs.quotes import Quotes
from ketbase.datasets.parts import PartSizes
from ketbase.datasets.types import CreateDataset, DataSpec
from ketbase.errors import BudgetError, ConflictError, InvalidError, KetbaseError, NotFoundError
from ketbase.money import Money
from ketbase.training.estimates import Subject, training_work
from ketbase.training.types import SubmitTraining, TrainingConfig
from tests.fakes import ALICE, BOB
from tests.unit.training.scene import Scene


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path / "records.db")


def turn(kind, name, target=0):
    return Gate(type=kind, targets=(target,), parameters={"theta": name})


STORED = {"template": None, "circuit_id": "mine"}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"dataset": {"type": "iris", "classes": ["setosa", "rose"]}}, "INVALID_DATA"),
        ({"dataset": {"type": "iris", "train_size": 1_000}}, "INVALID_DATA"),
        ({"dataset": {"type": "upload"}}, "INVALID_DATA"),
        ({"dataset": {"type": "upload", "dataset_id": "dataset_1"}}, "DATASET_NOT_FOUND"),
        ({"dataset": {"type": "iris"}, "body": {"template": {"n_qubits": 2}}}, "TOO_MANY_CLASSES"),
        ({"dataset": {"type": "iris", "n_components": 4}, "body": {"template": {"n_qubits": 3}}}, "TOO_MANY_FEATURES"),
        ({"initial_parameters": {"phi": 1.0}}, "UNKNOWN_PARAMETERS"),
        ({"class_weights": {"2": 1.0}}, "UNKNOWN_CLASSES"),
        ({"body": {"template": {"n_qubits": 2, "ansatz": "data_reuploading", "encoding": "amplitude"}}},
         "UNSUPPORTED_ENCODING"),
        ({"optimizer": "l-bfgs-b", "gradient": "spsa"}, "UNSUPPORTED_GRADIENT"),
        ({"gradient": "adjoint", "shots": 100}, "NOT_WITH_SHOTS"),
        ({"gradient": "adjoint", "backend": "fake_fez"}, "NOT_WITH_SHOTS"),
        ({"optimizer": "qng", "backend": "fake_fez"}, "NOT_WITH_SHOTS"),
        ({"method": "kernel", "backend": "fake_fez"}, "NOT_WITH_SHOTS"),
        ({"backend": "nowhere"}, "BACKEND_NOT_FOUND"),
        ({"backend": "ionq_forte"}, "REMOTE_TRAINING"),
        ({"shots": 100, "backend": "ionq_simulator", "body": {"budget_limit": "100"}}, "REMOTE_TRAINING"),
        ({"sweep": {"parameters": {"gradient": ["auto", "adjoint"]}}, "backend": "fake_fez"}, "NOT_WITH_SHOTS"),
        ({"sweep": {"parameters": {"optimizer": ["adam", "qng"]}}, "backend": "fake_fez"}, "NOT_WITH_SHOTS"),
        ({"sweep": {"parameters": {"encoding": ["angle", "amplitude"]}}, "backend": "fake_fez"}, "NOT_WITH_SHOTS"),
        ({"sweep": {"parameters": {"speed": [1]}}}, "INVALID_SWEEP"),
        ({"sweep": {"parameters": {"learning_rate": [0.1, 0]}}}, "INVALID_SWEEP"),
        ({"sweep": {"parameters": {"n_qubits": [2, 17]}}}, "INVALID_SWEEP"),
        ({"sweep": {"folds": 20, "parameters": {"seed": [1, 2, 3, 4, 5, 6]}}}, "INVALID_SWEEP"),
        ({"epochs": 10_000, "dataset": {"type": "mnist"}, "body": {"template": {"n_qubits": 16}}},
         "TOO_LONG_TO_TRAIN"),
        ({"body": {"budget_limit": "0.000001"}}, "BUDGET_LIMIT_TOO_LOW"),
        ({"body": {"template": None, "circuit_id": "circuit_gone"}}, "CIRCUIT_NOT_FOUND"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_and_reserves_nothing(scene, asked, code):
    with pytest.raises(KetbaseError) as refused:
        scene.submitted(**asked)
    assert refused.value.code == code
    assert not scene.ledger.standing(ALICE.organization_id).reserved
    assert scene.store.count(ALICE.organization_id, ()) == 0


@pytest.mark.parametrize(
    "asked",
    [
        {"initial_parameters": {f"theta_{n}": 0.5 for n in range(10_000)}},
        {"dataset": {"type": "moons", "classes": ["a" * 60_000, "b" * 60_000]}},
        {"sweep": {"parameters": {"initial_parameters": [{"phi": 0.1} for _ in range(10_000)]}}},
    ],
)
def test_a_configuration_that_no_record_holds_is_refused(scene, asked):
    with pytest.raises(InvalidError) as refused:
        scene.submitted(**asked)
    assert (refused.value.code, refused.value.details["limit"]) == ("CONFIG_TOO_LARGE", 100_000)


@pytest.mark.parametrize("asked", [{"shots": 501}, {"sweep": {"parameters": {"shots": [100, 501]}}}])
def test_no_trial_takes_more_shots_than_its_backend(scene, monkeypatch, asked):
    device = backends()["fake_fez"]
    few = device.capabilities.model_copy(update={"max_shots": 500})
    backend = device.model_copy(update={"capabilities": few})
    monkeypatch.setattr(scene.trainings._backends, "info", lambda _: backend)
    with pytest.raises(InvalidError) as refused:
        scene.submitted(**asked)
    assert refused.value.code == "TOO_MANY_SHOTS"


@pytest.mark.parametrize(
    ("gates", "asked", "code"),
    [
        ((turn("RY", "x_0"),), {}, "NO_TRAINABLE_PARAMETERS"),
        ((turn("RY", "theta_0"),), {}, "NO_FEATURES"),
        ((turn("RY", "x_0"), turn("RY", "theta_0")), {"method": "kernel"}, "TRAINABLE_PARAMETERS"),
        ((turn("RY", "x_0"), Gate(type="RESET", targets=(0,)), turn("RY", "a")), {}, "CIRCUIT_NOT_DIFFERENTIABLE"),
        ((*(turn("RY", f"x_{n}", n) for n in range(17)), turn("RY", "a")), {}, "TOO_FEW_FEATURES"),
        ((*(turn("RY", "x_0", n) for n in range(17)), turn("RY", "a")), {}, "TOO_MANY_QUBITS"),
    ],
)
def test_a_stored_circuit_that_cannot_be_trained_is_refused(scene, gates, asked, code):
    with pytest.raises(InvalidError) as refused:
        scene.submitted(body={"template": None, "circuit_id": scene.circuit(*gates)}, **asked)
    assert refused.value.code == code


def test_a_deleted_circuit_and_anothers_are_not_found_and_a_job_outlives_its_own(scene):
    circuit_id = scene.circuit()
    body = {"template": None, "circuit_id": circuit_id}
    job = scene.started(epochs=2, body=body)
    asked = SubmitTraining.model_validate({"circuit_id": circuit_id, "config": {"dataset": {"type": "moons"}}})
    with pytest.raises(NotFoundError):
        scene.trainings.submit(BOB, asked, None)
    scene.circuits.delete(ALICE, circuit_id)
    with pytest.raises(NotFoundError):
        scene.submitted(body=body)
    assert scene.result(scene.run(job))["circuit_id"] == circuit_id


def test_a_training_is_submitted_once_under_one_key(scene):
    asked = SubmitTraining.model_validate({"template": {"n_qubits": 2}, "config": {"dataset": {"type": "moons"}}})
    first, again = (scene.trainings.submit(ALICE, asked, "key") for _ in range(2))
    assert first.job_id == again.job_id
    assert scene.job(first.job_id).config == scene.job(again.job_id).config
    other = asked.model_copy(update={"name": "another"})
    with pytest.raises(ConflictError, match="Idempotency-Key"):
        scene.trainings.submit(ALICE, other, "key")


def test_a_training_without_room_in_the_month_is_not_taken(tmp_path):
    scene = Scene(tmp_path / "records.db", limit="0.0001")
    with pytest.raises(BudgetError):
        scene.submitted()


def uploaded(scene, data=b"1,2,a\n"):
    made = scene.datasets.create(ALICE, CreateDataset(name="mine", format="csv")).dataset.id
    if data is not None:
        scene.blobs.put(f"datasets/{ALICE.organization_id}/{made}/file", data, content_type="text/csv")
    return made


def test_an_upload_whose_file_is_not_there_is_refused(scene):
    with pytest.raises(ConflictError) as refused:
        scene.submitted(dataset={"type": "upload", "dataset_id": uploaded(scene, None)})
    assert refused.value.code == "DATASET_NOT_UPLOADED"


def test_what_a_check_told_of_an_upload_counts(scene):
    made = uploaded(scene)
    told = {
        "status": "ready",
        "n_samples": 100,
        "n_features": 1,
        "classes": ("a", "b", "c"),
        "counts": (30, 30, 40),
    }
    dataset = scene.datasets.get(ALICE, made).model_copy(update=told)
    scene.steps._datasets.replace(ALICE.organization_id, dataset)
    with pytest.raises(InvalidError) as refused:
        scene.submitted(dataset={"type": "upload", "dataset_id": made})
    assert refused.value.code == "TOO_MANY_CLASSES"  # three classes, two qubits
    scene.submitted(dataset={"type": "upload", "dataset_id": made, "label": "another"})


def test_an_upload_that_was_refused_by_one_label_is_trained_on_by_another(scene):
    made = uploaded(scene)
    told = {"status": "refused", "problem": "Row 1 holds no number."}
    scene.steps._datasets.replace(ALICE.organization_id, scene.datasets.get(ALICE, made).model_copy(update=told))
    with pytest.raises(InvalidError, match="was refused"):
        scene.submitted(dataset={"type": "upload", "dataset_id": made})
    scene.submitted(dataset={"type": "upload", "dataset_id": made, "label": "another"})


# --- Prices ---


def prices(scene, **asked):
    job = scene.job(scene.submitted(**asked))
    return job.estimated_cost, job.reserved_cost


def test_more_epochs_samples_and_trials_cost_more(scene):
    least = {"dataset": {"type": "moons", "n_samples": 1_000}, "epochs": 100, "body": {"template": {"n_qubits": 6}}}
    base, _ = prices(scene, **least)
    assert prices(scene, **least | {"epochs": 200})[0] > base
    assert prices(scene, **least | {"dataset": {"type": "moons", "n_samples": 2_000}})[0] > base
    assert prices(scene, **least | {"sweep": {"folds": 5}})[0].dollars > 2 * base.dollars
    assert prices(scene, **least | {"body": {"template": {"n_qubits": 10}}})[0] > base


def test_a_ceiling_is_the_users_own_where_there_is_one(scene):
    assert prices(scene, body={"budget_limit": "0.5"})[1] == Money.of("0.5")
    estimated, reserved = prices(scene)
    assert estimated < reserved


def test_each_trial_of_a_sweep_is_priced_with_its_own_shots(scene):
    device = backends()["fake_fez"]
    asked = BackendPrice(type="simulated_device", per_shot=Money.of("0.01"), source="own", as_of=date(2026, 1, 1))
    table = scene.prices.table.model_copy(update={"backends": (asked,)})
    quotes = Quotes(Prices(table), compute_memory_mb=1_024, control_memory_mb=512)
    config = TrainingConfig(name="", model_id="", dataset=DataSpec(type="moons"), backend=device.id, epochs=1)
    definition = CircuitDefinition.of_gates(1, [turn("RY", "x_0"), turn("RZ", "theta_0")])

    def provider(*shots):
        subjects = tuple(Subject(config.model_copy(update={"shots": each}), definition) for each in shots)
        work = training_work(subjects, PartSizes(8, 2, 2), 1, device)
        return next(line.estimated for line in quotes.training(device, work).lines if line.what == "provider")

    assert provider(100, 4_000) == provider(100) + provider(4_000) == provider(100) * 41
