"""DELETE /v1/states/{state_id}: take a state away."""

from fastapi import APIRouter

from ketbase.runtime.http import Caller, lambda_handler, requires
from ketbase.runtime.wiring import states

router = APIRouter(tags=["states"])


@router.delete("/v1/states/{state_id}", status_code=204)
def delete_state(state_id: str, caller: Caller = requires("vectors:write")) -> None:
    """Take a state away; no search finds it any more."""
    states().delete(caller, state_id)


handler = lambda_handler(router)
