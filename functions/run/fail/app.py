"""Pipeline step: fail a run's job with what went wrong."""

from typing import Any

from ketbase.runtime.steps import step
from ketbase.runtime.wiring import final_steps
from ketbase.steps.types import FailedJob


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Write the failed step's error to the job."""
    failed = FailedJob.model_validate(event)
    final_steps().fail(failed.reference, failed.error)
    return failed.reference.model_dump()
