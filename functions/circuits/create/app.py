"""POST /v1/circuits: keep a circuit."""

from fastapi import APIRouter

from ketbase.circuits.types import Circuit, CreateCircuit
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import circuits

router = APIRouter(tags=["circuits"])


@router.post("/v1/circuits", status_code=201)
def create_circuit(body: CreateCircuit, caller: Caller = requires("circuits:write")) -> Envelope[Circuit]:
    """Keep a circuit, given as gates or as OpenQASM 2 or 3."""
    return Envelope.of(circuits().create(caller, body))


handler = lambda_handler(router)
