"""Pipeline step: train one trial of a training for a while."""

from typing import Any

from ketbase.runtime.steps import step
from ketbase.runtime.wiring import training_steps
from ketbase.training.types import TrialReference


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Train from the checkpoint, and say whether more is to be done."""
    trial = TrialReference.model_validate(event)
    return {"more": training_steps().train(trial.reference, trial.trial, trial.ended)}
