"""Pipeline step: send the notices that wait."""

from typing import Any

from ketbase.runtime.observability import measure
from ketbase.runtime.steps import step
from ketbase.runtime.wiring import deliverer


@step
def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Send what is due."""
    delivery = deliverer().deliver()
    measure("NoticesSent", len(delivery.sent))
    measure("NoticesGivenUp", len(delivery.given_up))
    return delivery.model_dump(mode="json")
