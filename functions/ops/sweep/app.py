"""Pipeline step: repair jobs whose run died."""

from typing import Any

from ketbase.runtime.steps import step
from ketbase.runtime.wiring import sweeper


@step
def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Look at all running jobs once."""
    return sweeper().sweep().model_dump(mode="json")
