"""GET /health: the process is up."""

from fastapi import APIRouter

from ketbase.runtime import wiring
from ketbase.runtime.http import Envelope, lambda_handler
from ketbase.runtime.ops import Health

router = APIRouter(tags=["operations"])


@router.get("/health")
def check_health() -> Envelope[Health]:
    """Say that the process is up, and its version."""
    return Envelope.of(Health(version=wiring.version()))


handler = lambda_handler(router)
