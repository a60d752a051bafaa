"""GET /ready: everything that this installation needs answers."""

from fastapi import APIRouter, Response

from ketbase.runtime import wiring
from ketbase.runtime.http import Envelope, lambda_handler
from ketbase.runtime.ops import Readiness, look

router = APIRouter(tags=["operations"])


@router.get("/ready", responses={503: {"model": Envelope[Readiness]}})
def check_readiness(response: Response) -> Envelope[Readiness]:
    """Say which dependency is down, if any: 200 when ready, 503 when not."""
    readiness = look(wiring.dependencies())
    response.status_code = 200 if readiness.status == "ready" else 503
    return Envelope.of(readiness)


handler = lambda_handler(router)
