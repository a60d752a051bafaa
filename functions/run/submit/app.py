"""Pipeline step: hand a run over to its provider; the workflow then waits for the token to be answered."""

from typing import Any

from ketbase.run.types import HandedOver
from ketbase.runtime.steps import step
from ketbase.runtime.wiring import handover_steps


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Hand the compiled circuits in, once for the job."""
    handed = HandedOver.model_validate(event)
    handover_steps().submit(handed.reference, handed.token)
    return handed.reference.model_dump()
