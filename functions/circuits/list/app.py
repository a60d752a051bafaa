"""GET /v1/circuits: list circuits."""

from typing import Annotated

from fastapi import APIRouter, Query

from ketbase.circuits.types import CircuitSummary
from ketbase.paging import PageRequest
from ketbase.runtime.http import Caller, Listing, lambda_handler, paged, requires
from ketbase.runtime.wiring import circuits

router = APIRouter(tags=["circuits"])


@router.get("/v1/circuits")
def list_circuits(
    tags: Annotated[str, Query(max_length=1_500, description="Only with all of these, comma-separated")] = "",
    page: PageRequest = paged,
    caller: Caller = requires("circuits:read"),
) -> Listing[CircuitSummary]:
    """List the organisation's circuits, the newest first."""
    wanted = [tag.strip() for tag in tags.split(",") if tag.strip()]
    return Listing.of(circuits().list(caller, wanted, page))


handler = lambda_handler(router)
