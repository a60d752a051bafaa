"""Pipeline step: search for a better circuit, keep it, and complete the job."""

from typing import Any

from ketbase.jobs.types import JobReference
from ketbase.runtime.steps import step
from ketbase.runtime.wiring import optimize_steps


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Search for as long as the job says."""
    reference = JobReference.model_validate(event)
    optimize_steps().search(reference)
    return reference.model_dump()
