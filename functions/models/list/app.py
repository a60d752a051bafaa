"""GET /v1/models: list models."""

from typing import Annotated

from fastapi import APIRouter, Query

from ketbase.models.types import ModelStatus, ModelSummary
from ketbase.paging import PageRequest
from ketbase.runtime.http import Caller, Listing, lambda_handler, paged, requires
from ketbase.runtime.wiring import registry

router = APIRouter(tags=["models"])


@router.get("/v1/models")
def list_models(
    status: Annotated[ModelStatus | None, Query(description="Only of this status")] = None,
    name: Annotated[
        str | None, Query(min_length=1, max_length=255, description="Only versions of this name")
    ] = None,
    page: PageRequest = paged,
    caller: Caller = requires("models:read"),
) -> Listing[ModelSummary]:
    """List the organisation's models, the newest first."""
    return Listing.of(registry().list(caller, status, name, page))


handler = lambda_handler(router)
