"""Pipeline step: execute a run's compiled circuit."""

from typing import Any

from ketbase.jobs.types import JobReference
from ketbase.runtime.steps import step
from ketbase.runtime.wiring import compute_steps


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Execute; the outcome goes to the job's blobs."""
    reference = JobReference.model_validate(event)
    compute_steps().execute(reference)
    return reference.model_dump()
