"""Pipeline step: let a provider stop what it may have of a run that failed."""

from typing import Any

from ketbase.jobs.types import JobReference
from ketbase.runtime.steps import step
from ketbase.runtime.wiring import handover_steps


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Stop it there, so that nothing is billed for a job that is over here."""
    reference = JobReference.model_validate(event)
    handover_steps().withdraw(reference)
    return reference.model_dump()
