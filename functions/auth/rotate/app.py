"""Pipeline step: let a new key sign access tokens."""

from typing import Any

from ketbase.runtime.steps import step
from ketbase.runtime.wiring import key_rotation


@step
def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Rotate, unless the key is young."""
    return {"key_id": key_rotation().when_due()}
