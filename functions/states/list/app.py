"""GET /v1/states: list states."""

from typing import Annotated

from fastapi import APIRouter, Query

from ketbase.paging import PageRequest
from ketbase.runtime.http import Caller, Listing, lambda_handler, paged, requires
from ketbase.runtime.wiring import states
from ketbase.states.types import State

router = APIRouter(tags=["states"])


@router.get("/v1/states")
def list_states(
    circuit_id: Annotated[
        str | None, Query(min_length=1, max_length=64, description="Only of this circuit")
    ] = None,
    page: PageRequest = paged,
    caller: Caller = requires("vectors:read"),
) -> Listing[State]:
    """List the organisation's states, the newest first."""
    return Listing.of(states().list(caller, circuit_id, page))


handler = lambda_handler(router)
