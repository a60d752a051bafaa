"""Pipeline step: start waiting jobs, woken by the doorbell or by the schedule."""

from typing import Any

from ketbase.runtime.steps import step
from ketbase.runtime.wiring import dispatcher


@step
def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Start what may start. Whatever woke us, the work is the same, so a batch fails or succeeds as one."""
    started = dispatcher().dispatch()
    return {"started": [job.id for job in started], "batchItemFailures": []}
