"""POST /v1/states/search: find the states of highest fidelity."""

from fastapi import APIRouter

from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import state_search
from ketbase.states.types import Neighbours, SearchStates

router = APIRouter(tags=["states"])


@router.post("/v1/states/search")
def search_states(body: SearchStates, caller: Caller = requires("vectors:read")) -> Envelope[Neighbours]:
    """Find the kept states of highest fidelity, whatever their global phase."""
    return Envelope.of(state_search().search(caller, body))


handler = lambda_handler(router)
