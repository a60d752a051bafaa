"""PATCH /v1/circuits/{circuit_id}: change what is said about a circuit."""

from fastapi import APIRouter

from ketbase.circuits.types import CircuitSummary, UpdateCircuit
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import circuits

router = APIRouter(tags=["circuits"])


@router.patch("/v1/circuits/{circuit_id}")
def update_circuit(
    circuit_id: str, body: UpdateCircuit, caller: Caller = requires("circuits:write")
) -> Envelope[CircuitSummary]:
    """Change a circuit's name, description or metadata; its gates never change."""
    return Envelope.of(circuits().update(caller, circuit_id, body))


handler = lambda_handler(router)
