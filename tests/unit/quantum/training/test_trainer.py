import io
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketbase.backends.catalog import backends
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.datasets.types import DataSpec
from ketbase.errors import ExecutionError, InvalidCircuitError, InvalidError
from ketbase.ports.training import Epoch, Prepared
from ketbase.quantum.providers import QuantumProviders
from ketbase.quantum.simulators import AerEngine
from ketbase.quantum.training.trainer import QuantumTrainer
from ketbase.training.checks import check
from ketbase.training.types import EarlyStopping, Sweep, Target, Template, TrainingConfig, Trial

AER = backends()["aer"]
TRAINER = QuantumTrainer(QuantumProviders({"aer": AerEngine}), threads=1)
MOONS = DataSpec(type="moons", n_samples=40)
OPTIMIZERS = ["adam", "sgd", "rmsprop", "spsa", "l-bfgs-b", "cobyla", "qng"]


def config(**changed: Any) -> TrainingConfig:
    template = Template(n_qubits=2, layers=1, **changed.pop("template", {}))
    given = {"dataset": MOONS, "template": template, "name": "moons", "model_id": "model_1", "epochs": 4, **changed}
    return TrainingConfig(**given)


def trained(asked: TrainingConfig, prepared: Prepared, checkpoint: bytes | None = None) -> list[Epoch]:
    trial = prepared.problem.trials[0]
    return list(TRAINER.train(asked, AER, prepared, trial, checkpoint))


def numbers(checkpoint: bytes) -> dict[str, bytes]:
    """All that a checkpoint holds, but for how long epochs took."""
    with np.load(io.BytesIO(checkpoint), allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays}
    found["history"][:, 5] = 0
    return {name: array.tobytes() for name, array in found.items()}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("gradient", ["auto", "spsa"])
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_going_on_from_any_checkpoint_gives_the_same_numbers_bit_for_bit(
    optimizer: str, gradient: str, data: st.DataObject
) -> None:
    if optimizer == "l-bfgs-b":
        gradient = "auto"
    asked = config(
        optimizer=optimizer,
        gradient=gradient,
        epochs=6,
        batch_size=8,
        seed=data.draw(st.integers(0, 2**31 - 1)),
        schedule={"type": "cosine"},
    )
    prepared = TRAINER.prepare(asked, None, None)
    whole = trained(asked, prepared)
    checkpoints = [epoch.checkpoint() for epoch in whole]
    first = data.draw(st.integers(0, len(checkpoints) - 1))
    rest = trained(asked, prepared, checkpoints[first])
    assert [numbers(epoch.checkpoint()) for epoch in rest] == list(map(numbers, checkpoints[first + 1 :]))
    assert [epoch.stopped_by for epoch in rest] == [epoch.stopped_by for epoch in whole[first + 1 :]]


@pytest.mark.parametrize("optimizer", ["adam", "spsa", "cobyla"])
def test_going_on_with_shots_draws_the_same_ones(optimizer: str) -> None:
    asked = config(optimizer=optimizer, shots=20, epochs=2, dataset=MOONS.model_copy(update={"n_samples": 12}))
    prepared = TRAINER.prepare(asked, None, None)
    whole = trained(asked, prepared)
    (last,) = trained(asked, prepared, whole[0].checkpoint())
    assert numbers(last.checkpoint()) == numbers(whole[1].checkpoint())
    assert last.report.shots == 20 * last.report.circuits > 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns(optimizer: str) -> None:
    asked = config(optimizer=optimizer, epochs=40 if optimizer == "cobyla" else 12, learning_rate=0.2)
    losses = [epoch.report.loss for epoch in trained(asked, TRAINER.prepare(asked, None, None))]
    assert min(losses) < losses[0] - 0.1


def test_a_long_epoch_is_the_same_whatever_the_number_of_threads() -> None:
    asked = config(epochs=1)
    prepared = TRAINER.prepare(asked, None, None)
    two = QuantumTrainer(QuantumProviders({}), threads=2)
    (epoch,) = two.train(asked, AER, prepared, prepared.problem.trials[0], None)
    assert numbers(epoch.checkpoint()) == numbers(trained(asked, prepared)[0].checkpoint())


def test_each_epoch_and_each_trial_draws_anew() -> None:
    asked = config(shots=20, learning_rate=1e-9, epochs=2, sweep=Sweep(parameters={"momentum": [0.1, 0.1]}))
    prepared = TRAINER.prepare(asked, None, None)
    losses = [
        epoch.report.loss
        for trial in prepared.problem.trials
        for epoch in TRAINER.train(asked, AER, prepared, trial, None)
    ]
    assert len(set(losses)) == 4


def test_preprocessing_is_learnt_once() -> None:
    asked = config()
    prepared = TRAINER.prepare(asked, None, None)
    first = trained(asked, prepared)[0].checkpoint()
    with np.load(io.BytesIO(first), allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays}
    found["preprocessing.mean"] += 0.5
    file = io.BytesIO()
    np.savez(file, **found)
    (*_, last) = trained(asked, prepared, file.getvalue())
    model = TRAINER.finish(asked, prepared, Trial(number=0), last.checkpoint())
    with np.load(io.BytesIO(model.arrays), allow_pickle=False) as arrays:
        assert (arrays["mean"] == found["preprocessing.mean"]).all()


# --- When it stops ---


def test_it_stops_where_the_target_is_reached() -> None:
    without = config(epochs=30, learning_rate=0.2)
    epochs = trained(without, TRAINER.prepare(without, None, None))
    for metric, sign in (("val_loss", 1), ("val_accuracy", -1)):
        values = [sign * getattr(epoch.report, metric) for epoch in epochs]
        reached = min(values)
        asked = config(epochs=30, learning_rate=0.2, target=Target(metric=metric, value=sign * reached))
        stopped = trained(asked, TRAINER.prepare(asked, None, None))
        assert stopped[-1].stopped_by == "target"
        assert len(stopped) == 1 + values.index(reached)


def test_it_stops_where_the_validation_loss_stands_still_and_keeps_the_best_parameters() -> None:
    asked = config(epochs=200, learning_rate=1.0, early_stopping=EarlyStopping(patience=3))
    prepared = TRAINER.prepare(asked, None, None)
    epochs = trained(asked, prepared)
    assert epochs[-1].stopped_by == "plateau"
    result = TRAINER.result(epochs[-1].checkpoint(), prepared.problem.trials[0])
    losses = [epoch.report.val_loss for epoch in epochs]
    assert result.best_epoch == 1 + losses.index(min(losses)) < len(epochs)
    assert result.val_loss == min(losses)
    best = TRAINER.finish(asked, prepared, Trial(number=0), epochs[-1].checkpoint())
    assert best.metrics["validation"].loss.value == pytest.approx(min(losses))


def test_a_minimum_that_scipy_found_is_a_plateau() -> None:
    asked = config(optimizer="l-bfgs-b", epochs=500)
    epochs = trained(asked, TRAINER.prepare(asked, None, None))
    assert epochs[-1].stopped_by == "plateau"
    assert len(epochs) < 500
    assert trained(asked, TRAINER.prepare(asked, None, None), epochs[-1].checkpoint()) == []


def test_a_trial_that_could_have_gone_on_was_stopped_by_its_budget() -> None:
    asked = config()
    prepared = TRAINER.prepare(asked, None, None)
    epochs = trained(asked, prepared)
    assert TRAINER.result(epochs[1].checkpoint(), Trial(number=0)).stopped_by == "budget"
    assert TRAINER.result(epochs[-1].checkpoint(), Trial(number=0)).stopped_by == "epochs"
    assert TRAINER.history(epochs[1].checkpoint()) == tuple(epoch.report for epoch in epochs[:2])


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_loss_that_is_no_number_any_more_ends_the_training() -> None:
    gates = [
        Gate(type="RY", targets=(0,), parameters={"theta": "x_0"}),
        Gate(type="RY", targets=(0,), parameters={"theta": "theta_0 * 1e200"}),
    ]
    definition = CircuitDefinition.of_gates(1, gates)
    asked = config(template={}, optimizer="sgd", learning_rate=10.0, momentum=0.99).model_copy(
        update={"template": None}
    )
    prepared = TRAINER.prepare(asked, definition, None)
    with pytest.raises(ExecutionError) as caught:
        trained(asked, prepared)
    assert caught.value.code == "TRAINING_DIVERGED"


# --- Models ---


@pytest.mark.parametrize("method", ["variational", "kernel"])
@pytest.mark.parametrize("encoding", ["angle", "iqp", "amplitude"])
def test_a_model_holds_all_that_its_metrics_came_from(method: str, encoding: str) -> None:
    asked = config(
        method=method,
        dataset=DataSpec(type="iris"),
        template={"encoding": encoding},
        readout="probabilities",
        epochs=6,
        learning_rate=0.2,
    )
    check(asked, None)
    prepared = TRAINER.prepare(asked, None, None)
    (*_, last) = trained(asked, prepared)
    model = TRAINER.finish(asked, prepared, Trial(number=0), last.checkpoint())
    assert set(model.metrics) == {"train", "validation", "test"}
    assert set(model.baselines) == {"logistic_regression", "rbf_svm"}
    assert model.metrics["test"].accuracy.value > 0.45
    assert model.spec.amplitude_encoding == (encoding == "amplitude")
    with np.load(io.BytesIO(model.arrays), allow_pickle=False) as arrays:
        assert {"mean", "std"} <= set(arrays)
        assert ("low" in arrays) == (encoding != "amplitude")
        if method == "kernel":
            assert len(arrays["support"]) == arrays["dual"].shape[1]
            assert model.n_parameters == 0
        else:
            assert arrays["parameters"].shape == (model.n_parameters,) == (len(model.spec.parameters),)


def test_initial_parameters_are_where_it_begins() -> None:
    given = {"theta_0": 0.5, "theta_3": -1.0}
    asked = config(optimizer="l-bfgs-b", epochs=1, initial_parameters=given)
    prepared = TRAINER.prepare(asked, None, None)
    (epoch,) = trained(asked, prepared)
    with np.load(io.BytesIO(epoch.checkpoint()), allow_pickle=False) as arrays:
        found = dict(zip(prepared.problem.definition.inputs[:6], arrays["parameters"], strict=True))
    assert {name: found[name] for name in given} == given


def test_class_weights_turn_a_model_to_the_rare_class() -> None:
    spec = DataSpec(type="breast_cancer", classes=("malignant", "benign"), train_size=60)
    taken = []
    for weights in ({"malignant": 8.0}, {"benign": 8.0}):
        asked = config(dataset=spec, class_weights=weights, epochs=8, learning_rate=0.2)
        prepared = TRAINER.prepare(asked, None, None)
        model = TRAINER.finish(asked, prepared, Trial(number=0), trained(asked, prepared)[-1].checkpoint())
        taken.append(sum(row[0] for row in model.metrics["test"].confusion))
    assert taken[0] > taken[1] + 3


def test_single_precision_comes_close_to_double() -> None:
    losses = []
    for precision in ("complex64", "complex128"):
        asked = config(precision=precision)
        losses.append([epoch.report.loss for epoch in trained(asked, TRAINER.prepare(asked, None, None))])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert losses[0] != losses[1]


def test_noise_is_felt() -> None:
    noisy = next(each for each in backends().values() if each.type == "simulated_device")
    asked = config(
        optimizer="spsa", epochs=1, shots=200, backend=noisy.id, dataset=MOONS.model_copy(update={"n_samples": 10})
    )
    prepared = TRAINER.prepare(asked, None, None)
    (epoch,) = TRAINER.train(asked, noisy, prepared, prepared.problem.trials[0], None)
    n_train, n_validation, _ = (sum(counts) for counts in prepared.problem.data.counts.values())
    assert epoch.report.circuits == 2 * n_train + n_validation


def test_what_needs_exact_outputs_is_refused_on_a_noisy_backend() -> None:
    noisy = next(each for each in backends().values() if each.type == "simulated_device")
    for changed in (
        {"method": "kernel"},
        {"optimizer": "qng"},
        {"gradient": "adjoint"},
        {"template": {"encoding": "amplitude"}},
    ):
        asked = config(**changed)
        prepared = TRAINER.prepare(asked, None, None)
        with pytest.raises(InvalidError) as caught:
            next(iter(TRAINER.train(asked, noisy, prepared, prepared.problem.trials[0], None)))
        assert caught.value.code == "NOT_WITH_SHOTS"


# --- Sweeps ---


def test_each_fold_is_validated_on_samples_of_its_own() -> None:
    asked = config(sweep=Sweep(parameters={"layers": [1, 2]}, folds=3), epochs=1)
    prepared = TRAINER.prepare(asked, None, None)
    assert len(prepared.problem.trials) == 6
    results = []
    for trial in prepared.problem.trials:
        (epoch,) = TRAINER.train(asked, AER, prepared, trial, None)
        results.append(TRAINER.result(epoch.checkpoint(), trial))
    assert len({result.val_loss for result in results}) == 6
    model = TRAINER.finish(asked, prepared, prepared.problem.trials[5], epoch.checkpoint())
    assert model.n_parameters == 12
    sizes = [model.metrics[part].n_samples for part in ("train", "validation", "test")]
    assert sum(sizes) == MOONS.n_samples
    assert sizes[0] == pytest.approx(2 * sizes[1], abs=2)
    assert model.metrics["validation"].loss.value == pytest.approx(results[5].val_loss)


# --- Bad input ---

FEATURE, TRAINABLE = ({"theta": name} for name in ("x_0", "theta_0"))


def rotations(*angles: dict[str, str]) -> CircuitDefinition:
    return CircuitDefinition.of_gates(2, [Gate(type="RY", targets=(0,), parameters=angle) for angle in angles])


@pytest.mark.parametrize(
    ("changed", "definition", "code"),
    [
        ({"dataset": {"type": "wine", "n_components": 5}}, None, "TOO_MANY_FEATURES"),
        ({}, rotations(*({"theta": f"x_{k}"} for k in range(3)), TRAINABLE), "TOO_FEW_FEATURES"),
        ({}, rotations(FEATURE), "NO_TRAINABLE_PARAMETERS"),
        ({}, rotations(TRAINABLE), "NO_FEATURES"),
        ({"method": "kernel"}, rotations(FEATURE, TRAINABLE), "TRAINABLE_PARAMETERS"),
        ({"dataset": {"type": "iris"}}, None, "TOO_MANY_CLASSES"),
        ({"initial_parameters": {"phi": 1.0}}, None, "UNKNOWN_PARAMETERS"),
        ({"class_weights": {"7": 1.0}}, None, "UNKNOWN_CLASSES"),
        ({"dataset": {"type": "iris", "classes": ["rose", "setosa"]}}, None, "INVALID_DATA"),
        ({"method": "kernel", "shots": 100}, None, "NOT_WITH_SHOTS"),
        ({"gradient": "adjoint", "shots": 100}, None, "NOT_WITH_SHOTS"),
        ({"optimizer": "l-bfgs-b", "gradient": "spsa"}, None, "UNSUPPORTED_GRADIENT"),
        ({"template": {"ansatz": "data_reuploading", "encoding": "amplitude"}}, None, "UNSUPPORTED_ENCODING"),
        ({"sweep": {"parameters": {"colour": ["red"]}}}, None, "INVALID_SWEEP"),
        ({"sweep": {"parameters": {"n_qubits": [2, 40]}}}, None, "INVALID_SWEEP"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_data_is_read(
    changed: dict[str, Any], definition: CircuitDefinition | None, code: str
) -> None:
    asked = config(**changed)
    if definition is not None:
        asked = asked.model_copy(update={"template": None})
    with pytest.raises(InvalidError) as caught:
        check(asked, definition)
    assert caught.value.code == code


def test_a_circuit_that_measures_in_its_middle_is_refused() -> None:
    gates = [
        Gate(type="RY", targets=(0,), parameters=FEATURE),
        Gate(type="MEASURE", targets=(0,), clbits=(0,)),
        Gate(type="RY", targets=(0,), parameters=TRAINABLE),
    ]
    definition = CircuitDefinition.of_gates(1, gates, [("c", 1)])
    with pytest.raises(InvalidCircuitError) as caught:
        check(config().model_copy(update={"template": None}), definition)
    assert caught.value.code == "CIRCUIT_NOT_DIFFERENTIABLE"


def csv(rows: list[str]) -> bytes:
    return "\n".join(["a,b,kind", *rows]).encode()


@pytest.mark.parametrize(
    ("rows", "changed", "code"),
    [
        ([f"{k},1,same" for k in range(30)], {}, "INVALID_DATA"),
        ([f"{k},nan,{'ab'[k % 2]}" for k in range(30)], {}, "INVALID_DATA"),
        ([f"{k},{k},{'abc'[k % 3]}" for k in range(30)], {}, "TOO_MANY_CLASSES"),
        ([f"{k},{k},{'ab'[k % 2]}" for k in range(30)], {"class_weights": {"c": 1.0}}, "UNKNOWN_CLASSES"),
        ([f"{k},{k},{'ab'[k % 2]}" for k in range(6)], {"target": {"value": 0.9}, "whole": True}, "NO_VALIDATION"),
    ],
)
def test_data_that_does_not_fit_is_refused_when_it_is_read(
    rows: list[str], changed: dict[str, Any], code: str
) -> None:
    sizes = {"train_size": 4, "test_size": 2} if changed.pop("whole", False) else {}
    asked = config(dataset={"type": "upload", "dataset_id": "ds_1", **sizes}, **changed)
    check(asked, None)
    with pytest.raises(InvalidError) as caught:
        TRAINER.prepare(asked, None, csv(rows))
    assert caught.value.code == code


def test_a_kernel_of_too_many_samples_is_refused() -> None:
    asked = config(method="kernel", dataset=DataSpec(type="moons", n_samples=10_000))
    with pytest.raises(InvalidError) as caught:
        TRAINER.prepare(asked, None, None)
    assert caught.value.code == "TOO_MANY_SAMPLES"


@pytest.mark.parametrize(("name", "least"), [("breast_cancer", 0.93), ("wine", 0.93), ("digits", 0.9)])
def test_known_data_sets_are_learnt(name: str, least: float) -> None:
    spec = DataSpec(type=name, classes=(0, 1, 4) if name == "digits" else None)
    asked = config(dataset=spec, epochs=30, learning_rate=0.1).model_copy(
        update={"template": Template(n_qubits=4, layers=3)}
    )
    prepared = TRAINER.prepare(asked, None, None)
    last = list(itertools.islice(TRAINER.train(asked, AER, prepared, Trial(number=0), None), 30))[-1]
    assert (
        TRAINER.finish(asked, prepared, Trial(number=0), last.checkpoint()).metrics["test"].accuracy.value >= least
    )
