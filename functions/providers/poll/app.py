"""Pipeline step: ask a provider for its open jobs, and let those go on that it is done with."""

from typing import Any

from ketbase.providers.types import AtProvider
from ketbase.runtime.steps import step
from ketbase.runtime.wiring import poller


@step
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Look at all of them at once."""
    return poller().poll(AtProvider.model_validate(event).engine).model_dump(mode="json")
