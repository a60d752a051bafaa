"""Pipeline step: fetch what came of a run from its provider."""

from typing import Any

from ketbase.jobs.types import JobReference
from ketbase.runtime.steps import step
from ketbase.runtime.wiring import handover_steps


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Bring the outcome, and the provider's whole answer, to the job's blobs."""
    reference = JobReference.model_validate(event)
    handover_steps().fetch(reference)
    return reference.model_dump()
