"""Pipeline step: forget the jobs that ended long ago."""

from typing import Any

from ketbase.runtime.steps import step
from ketbase.runtime.wiring import job_purge

_SECONDS = 45


@step
def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Forget what is due."""
    return job_purge().purge(_SECONDS).model_dump(mode="json")
