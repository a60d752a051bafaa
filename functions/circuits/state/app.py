"""POST /v1/circuits/{circuit_id}/state: keep the state that a circuit makes."""

from fastapi import APIRouter

from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import states
from ketbase.states.types import CreateState, State

router = APIRouter(tags=["states"])


@router.post("/v1/circuits/{circuit_id}/state", status_code=201)
def keep_state(circuit_id: str, body: CreateState, caller: Caller = requires("vectors:write")) -> Envelope[State]:
    """Compute the state vector of a circuit of up to ten qubits, and keep it."""
    return Envelope.of(states().create(caller, circuit_id, body))


handler = lambda_handler(router)
