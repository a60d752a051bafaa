"""Pipeline step: fail a training's job with what went wrong."""

from typing import Any

from ketbase.runtime.steps import step
from ketbase.runtime.wiring import failing
from ketbase.steps.types import FailedJob


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Write the failed step's error to the job."""
    failed = FailedJob.model_validate(event)
    failing().fail(failed.reference, failed.error)
    return failed.reference.model_dump()
