"""Several trainings side by side: which they are, what each does in another way, and which was best."""

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from ketbase.errors import InvalidError
from ketbase.training.types import (
    MAX_TRIALS,
    Objective,
    Sweep,
    Template,
    TrainingConfig,
    TrainingOptions,
    Trial,
    TrialResult,
)

_OF_TEMPLATE = frozenset(Template.model_fields)
_FIXED = frozenset({"method", "backend", "dataset", "sweep"})
"""What all trials of a job have in common."""
_OF_CONFIG = frozenset(TrainingOptions.model_fields) - _FIXED


def trials(config: TrainingConfig) -> tuple[Trial, ...]:
    """List what is to be trained: all combinations of the sweep's values, each for every fold.

    Raises:
        InvalidError: `INVALID_SWEEP`, a field that cannot be swept, a value that it does not take, or too many.
    """
    if config.sweep is None:
        return (Trial(number=0),)
    _check(config.sweep, config.template is not None)
    names = tuple(config.sweep.parameters)
    combinations = itertools.product(*config.sweep.parameters.values())
    folds = range(config.sweep.folds) if config.sweep.folds is not None else (None,)
    found = tuple(
        Trial(number=number, changed=dict(zip(names, values, strict=True)), fold=fold)
        for number, (values, fold) in enumerate(itertools.product(combinations, folds))
    )
    for trial in found:
        applied(config, trial.changed)
    return found


def applied(config: TrainingConfig, changed: Mapping[str, Any]) -> TrainingConfig:
    """Change what a trial does in another way.

    Raises:
        InvalidError: `INVALID_SWEEP`, a value that a field does not take.
    """
    if not changed:
        return config
    whole = config.model_dump() | {"sweep": None}
    for name, value in changed.items():
        (whole["template"] if name in _OF_TEMPLATE else whole)[name] = value
    try:
        return TrainingConfig.model_validate(whole)
    except ValidationError as problem:
        first = problem.errors()[0]
        name = str(first["loc"][1] if first["loc"][0] == "template" and len(first["loc"]) > 1 else first["loc"][0])
        raise _invalid(f"{name}: {first['msg']}, but {changed.get(name)!r} was given", name) from problem


def best(results: Iterable[TrialResult], objective: Objective) -> int:
    """Choose the number of the best trial: the best fold of the combination that is best on average.

    A combination with a failed fold is left out while another has all of its folds. Where nothing was
    validated, the training loss decides. What is no better than an earlier one loses to it.
    """
    folds: dict[str, list[TrialResult]] = {}
    for result in sorted(results, key=lambda result: result.number):
        folds.setdefault(json.dumps(result.changed, sort_keys=True), []).append(result)
    most = max(map(len, folds.values()))
    whole = [some for some in folds.values() if len(some) == most]
    chosen = min(whole, key=lambda some: sum(_badness(each, objective) for each in some) / len(some))
    return min(chosen, key=lambda each: _badness(each, objective)).number


def _badness(result: TrialResult, objective: Objective) -> float:
    if objective == "val_accuracy" and result.val_accuracy is not None:
        return -result.val_accuracy
    return result.loss if result.val_loss is None else result.val_loss


def _check(sweep: Sweep, has_template: bool) -> None:
    for name, values in sweep.parameters.items():
        if name in _OF_TEMPLATE and not has_template:
            raise _invalid(f"{name} is a template's; this training has a stored circuit", name)
        if name not in _OF_TEMPLATE | _OF_CONFIG:
            there = ", ".join(sorted(_OF_CONFIG | (_OF_TEMPLATE if has_template else frozenset())))
            raise _invalid(f"there is no {name} to sweep; there are {there}", name)
        if not values:
            raise _invalid(f"{name} has no values to try", name)
    count = sweep.folds or 1
    for values in sweep.parameters.values():
        count *= len(values)
    if count > MAX_TRIALS:
        raise InvalidError(
            "INVALID_SWEEP",
            f"The sweep is {count:,} trainings; at most {MAX_TRIALS} are done by one job.",
            field="sweep",
            given=count,
            limit=MAX_TRIALS,
        )


def _invalid(problem: str, name: str) -> InvalidError:
    return InvalidError("INVALID_SWEEP", f"{problem}.", field=f"sweep.parameters.{name}")
