"""Pipeline step: write a run's result, then complete its job."""

from typing import Any

from ketbase.jobs.types import JobReference
from ketbase.runtime.steps import step
from ketbase.runtime.wiring import final_steps


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Write the result with its provenance before the status says completed."""
    reference = JobReference.model_validate(event)
    final_steps().collect(reference)
    return reference.model_dump()
