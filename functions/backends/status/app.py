"""GET /v1/backends/{backend_id}/status: how a backend is doing."""

from fastapi import APIRouter

from ketbase.backends.views import BackendStatus
from ketbase.runtime.http import Envelope, lambda_handler, requires
from ketbase.runtime.wiring import backends

router = APIRouter(tags=["backends"])


@router.get("/v1/backends/{backend_id}/status", dependencies=[requires("backends:read")])
def get_backend_status(backend_id: str) -> Envelope[BackendStatus]:
    """Say how a backend is doing: its queue, and today's figures."""
    return Envelope.of(backends().status(backend_id))


handler = lambda_handler(router)
