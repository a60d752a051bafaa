"""Pipeline step: erase what deleted organisations own."""

from datetime import timedelta
from typing import Any

from ketbase.runtime.steps import step
from ketbase.runtime.wiring import clock, erasure

_PATIENCE = timedelta(seconds=40)
"""Less than the function's timeout: what is left, the next call does."""


@step
def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Go on with all deleted organisations for a while."""
    return erasure().erase(clock().now() + _PATIENCE).model_dump(mode="json")
