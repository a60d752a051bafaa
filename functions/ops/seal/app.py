"""Pipeline step: seal the new lines of the audit logs."""

from typing import Any

from ketbase.runtime.steps import step
from ketbase.runtime.wiring import sealer

_SECONDS = 45


@step
def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Seal what waits."""
    return sealer().seal(_SECONDS).model_dump(mode="json")
