"""DELETE /v1/circuits/{circuit_id}: take a circuit away."""

from fastapi import APIRouter

from ketbase.runtime.http import Caller, lambda_handler, requires
from ketbase.runtime.wiring import circuits

router = APIRouter(tags=["circuits"])


@router.delete("/v1/circuits/{circuit_id}", status_code=204)
def delete_circuit(circuit_id: str, caller: Caller = requires("circuits:delete")) -> None:
    """Take a circuit away; jobs that were submitted keep their own copy."""
    circuits().delete(caller, circuit_id)


handler = lambda_handler(router)
