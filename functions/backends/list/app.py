"""GET /v1/backends: list backends."""

from fastapi import APIRouter

from ketbase.backends.views import Availability, BackendView
from ketbase.runtime.http import Listing, lambda_handler, requires
from ketbase.runtime.wiring import backends

router = APIRouter(tags=["backends"])


@router.get("/v1/backends", dependencies=[requires("backends:read")])
def list_backends(status: Availability | None = None) -> Listing[BackendView]:
    """List the backends, with what each can do and how busy it is."""
    return Listing.whole([view for view in backends().list() if status in (None, view.status)])


handler = lambda_handler(router)
