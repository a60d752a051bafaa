"""Pipeline step: look at the budget alerts of all organisations, in case one was missed when a job ended."""

from typing import Any

from ketbase.runtime.steps import step
from ketbase.runtime.wiring import alerts


@step
def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Look at this month's accounts, and at the last's."""
    return {"accounts": alerts().check_all()}
