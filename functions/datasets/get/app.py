"""GET /v1/datasets/{dataset_id}: read what is known of a data set."""

from fastapi import APIRouter

from ketbase.datasets.types import Dataset
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import datasets

router = APIRouter(tags=["datasets"])


@router.get("/v1/datasets/{dataset_id}")
def get_dataset(dataset_id: str, caller: Caller = requires("datasets:read")) -> Envelope[Dataset]:
    """Read what is known of an uploaded data set."""
    return Envelope.of(datasets().get(caller, dataset_id))


handler = lambda_handler(router)
