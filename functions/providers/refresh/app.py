"""Pipeline step: learn which backends a provider has, and how they are calibrated."""

from typing import Any

from ketbase.providers.types import AtProvider
from ketbase.runtime.steps import step
from ketbase.runtime.wiring import refresher


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Keep what is new."""
    return refresher().refresh(AtProvider.model_validate(event).engine).model_dump(mode="json")
