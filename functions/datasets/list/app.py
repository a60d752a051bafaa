"""GET /v1/datasets: list data sets."""

from fastapi import APIRouter

from ketbase.datasets.types import Dataset
from ketbase.paging import PageRequest
from ketbase.runtime.http import Caller, Listing, lambda_handler, paged, requires
from ketbase.runtime.wiring import datasets

router = APIRouter(tags=["datasets"])


@router.get("/v1/datasets")
def list_datasets(page: PageRequest = paged, caller: Caller = requires("datasets:read")) -> Listing[Dataset]:
    """List the organisation's uploaded data sets, the newest first."""
    return Listing.of(datasets().list(caller, page))


handler = lambda_handler(router)
