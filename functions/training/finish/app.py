"""Pipeline step: make a model of the best trial of a training, register it, and complete the job."""

from typing import Any

from ketbase.jobs.types import JobReference
from ketbase.runtime.steps import step
from ketbase.runtime.wiring import training_steps


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Evaluate and register the model."""
    reference = JobReference.model_validate(event)
    training_steps().finish(reference)
    return reference.model_dump()
