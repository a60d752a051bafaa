"""Pipeline step: read, check and divide the data of a training."""

from typing import Any

from ketbase.jobs.types import JobReference
from ketbase.runtime.steps import step
from ketbase.runtime.wiring import training_steps


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Make the training ready, and number what is to be trained."""
    reference = JobReference.model_validate(event)
    return {**reference.model_dump(), "trials": list(training_steps().prepare(reference))}
