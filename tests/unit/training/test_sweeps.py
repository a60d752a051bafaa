from typing import Any

import pytest

from ketbase.datasets.types import DataSpec
from ketbase.errors import InvalidError
from ketbase.training.sweeps import applied, best, trials
from ketbase.training.types import Sweep, Template, TrainingConfig, Trial, TrialResult


def config(sweep: Sweep | None = None, template: Template | None = Template(n_qubits=2)) -> TrainingConfig:  # noqa: B008
    return TrainingConfig(
        dataset=DataSpec(type="iris"), template=template, name="m", model_id="model_1", sweep=sweep
    )


def result(number: int, val_loss: float | None, val_accuracy: float | None = None, **given: Any) -> TrialResult:
    return TrialResult(
        number=number,
        epochs=1,
        best_epoch=1,
        stopped_by="epochs",
        loss=given.pop("loss", 1.0),
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        seconds=0.1,
        **given,
    )


def test_without_a_sweep_there_is_one_trial() -> None:
    assert trials(config()) == (Trial(number=0),)


def test_a_sweep_is_all_combinations_for_every_fold() -> None:
    found = trials(config(Sweep(parameters={"learning_rate": (0.1, 0.2), "layers": (1, 2, 3)}, folds=2)))
    assert [trial.number for trial in found] == list(range(12))
    assert found[3].changed == {"learning_rate": 0.1, "layers": 2}
    assert found[3].fold == 1
    assert len({(*trial.changed.values(), trial.fold) for trial in found}) == 12


def test_folds_alone_are_a_cross_validation() -> None:
    assert [trial.fold for trial in trials(config(Sweep(folds=5)))] == [0, 1, 2, 3, 4]


def test_what_a_trial_changes_reaches_configuration_and_template() -> None:
    asked = config(Sweep(parameters={"layers": (7,)}))
    changed = applied(asked, {"layers": 7, "ansatz": "efficient_su2", "learning_rate": 0.3})
    assert changed.template == Template(n_qubits=2, layers=7, ansatz="efficient_su2")
    assert (changed.learning_rate, changed.sweep, changed.epochs) == (0.3, None, asked.epochs)
    assert asked.template == Template(n_qubits=2)


@pytest.mark.parametrize(
    ("parameters", "template", "field"),
    [
        ({"colour": ("red",)}, True, "colour"),
        ({"dataset": ({"type": "wine"},)}, True, "dataset"),
        ({"model_id": ("model_2",)}, True, "model_id"),
        ({"layers": (1, 2)}, False, "layers"),
        ({"learning_rate": ()}, True, "learning_rate"),
        ({"learning_rate": (0.1, 0.0)}, True, "learning_rate"),
        ({"n_qubits": (2, 99)}, True, "n_qubits"),
        ({"optimizer": ("adam", "magic")}, True, "optimizer"),
    ],
)
def test_what_cannot_be_swept_is_named(parameters: dict[str, Any], template: bool, field: str) -> None:
    asked = config(Sweep(parameters=parameters), Template(n_qubits=2) if template else None)
    with pytest.raises(InvalidError) as caught:
        trials(asked)
    assert caught.value.code == "INVALID_SWEEP"
    assert caught.value.details["field"] == f"sweep.parameters.{field}"


def test_too_many_trials_are_refused_before_they_are_listed() -> None:
    asked = config(Sweep(parameters={"seed": tuple(range(1_000)), "epochs": tuple(range(1, 1_000))}))
    with pytest.raises(InvalidError, match="999,000 trainings") as caught:
        trials(asked)
    assert caught.value.details["limit"] == 100


def test_the_lowest_loss_or_the_highest_accuracy_wins() -> None:
    results = [
        result(0, 0.5, 0.7, changed={"seed": 0}),
        result(1, 0.4, 0.6, changed={"seed": 1}),
        result(2, 0.4, 0.8, changed={"seed": 2}),
    ]
    assert best(results, "val_loss") == 1
    assert best(reversed(results), "val_loss") == 1
    assert best(results, "val_accuracy") == 2


def test_folds_are_averaged_and_the_best_of_them_is_taken() -> None:
    good, lucky = {"layers": 2}, {"layers": 1}
    results = [
        result(0, 0.1, changed=lucky, fold=0),
        result(1, 0.9, changed=lucky, fold=1),
        result(2, 0.4, changed=good, fold=0),
        result(3, 0.3, changed=good, fold=1),
    ]
    assert best(results, "val_loss") == 3
    assert best([*results, result(4, 0.6, changed={"layers": 3}, fold=0)], "val_loss") == 3


def test_a_combination_with_a_failed_fold_does_not_win_over_a_whole_one() -> None:
    failed = result(0, 0.1, changed={"layers": 1}, fold=0)
    whole = [result(number, 0.5, changed={"layers": 2}, fold=number - 2) for number in (2, 3)]
    assert best([failed, *whole], "val_loss") == 2
    assert best([failed, result(2, 0.5, changed={"layers": 2}, fold=0)], "val_loss") == 0


def test_without_validation_the_training_loss_decides() -> None:
    assert best([result(0, None, loss=0.5, changed={"seed": 0}), result(1, None, loss=0.2)], "val_accuracy") == 1
