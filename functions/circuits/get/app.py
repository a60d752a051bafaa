"""GET /v1/circuits/{circuit_id}: read a circuit."""

from fastapi import APIRouter

from ketbase.circuits.types import Circuit
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import circuits

router = APIRouter(tags=["circuits"])


@router.get("/v1/circuits/{circuit_id}")
def get_circuit(circuit_id: str, caller: Caller = requires("circuits:read")) -> Envelope[Circuit]:
    """Read a circuit with its definition."""
    return Envelope.of(circuits().get(caller, circuit_id))


handler = lambda_handler(router)
