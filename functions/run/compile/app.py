"""Pipeline step: compile a run's circuit for its backend."""

from typing import Any

from ketbase.jobs.types import JobReference
from ketbase.run.types import Routed
from ketbase.runtime.steps import step
from ketbase.runtime.wiring import batch_place, compute_steps


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Bind and compile; the compiled circuit goes to the job's blobs, and the answer says where it is executed."""
    reference = JobReference.model_validate(event)
    lane = compute_steps().compile(reference)
    return Routed(**reference.model_dump(), lane=lane, **batch_place(lane)).model_dump()
