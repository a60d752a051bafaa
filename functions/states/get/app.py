"""GET /v1/states/{state_id}: read a state."""

from fastapi import APIRouter

from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import states
from ketbase.states.types import StateVector

router = APIRouter(tags=["states"])


@router.get("/v1/states/{state_id}")
def get_state(state_id: str, caller: Caller = requires("vectors:read")) -> Envelope[StateVector]:
    """Read a state with its amplitudes."""
    return Envelope.of(states().get(caller, state_id))


handler = lambda_handler(router)
