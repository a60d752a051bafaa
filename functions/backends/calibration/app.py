"""GET /v1/backends/{backend_id}/calibrations/{calibration_id}: one calibration, qubit by qubit."""

from fastapi import APIRouter

from ketbase.backends.remote import Properties
from ketbase.runtime.http import Envelope, lambda_handler, requires
from ketbase.runtime.wiring import backends, calibrations

router = APIRouter(tags=["backends"])


@router.get("/v1/backends/{backend_id}/calibrations/{calibration_id}", dependencies=[requires("backends:read")])
def get_calibration(backend_id: str, calibration_id: str) -> Envelope[Properties]:
    """Read all that a backend's provider said of its qubits and gates at one moment."""
    return Envelope.of(calibrations().get(backends().info(backend_id), calibration_id))


handler = lambda_handler(router)
