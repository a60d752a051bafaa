"""GET /v1/backends/{backend_id}/calibrations: the calibrations that a backend had."""

from fastapi import APIRouter

from ketbase.backends.calibrations import KeptCalibration
from ketbase.paging import PageRequest
from ketbase.runtime.http import Listing, lambda_handler, paged, requires
from ketbase.runtime.wiring import backends, calibrations

router = APIRouter(tags=["backends"])


@router.get("/v1/backends/{backend_id}/calibrations", dependencies=[requires("backends:read")])
def list_calibrations(backend_id: str, page: PageRequest = paged) -> Listing[KeptCalibration]:
    """List a backend's calibrations, the newest first."""
    return Listing.of(calibrations().list(backends().info(backend_id), page))


handler = lambda_handler(router)
