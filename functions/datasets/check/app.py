"""POST /v1/datasets/{dataset_id}/check: read the file that arrived."""

from fastapi import APIRouter

from ketbase.datasets.types import CheckDataset, Dataset
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import datasets

router = APIRouter(tags=["datasets"])


@router.post("/v1/datasets/{dataset_id}/check")
def check_dataset(
    dataset_id: str, body: CheckDataset, caller: Caller = requires("datasets:write")
) -> Envelope[Dataset]:
    """Read the file that arrived, and say what it holds, or what is wrong with it."""
    return Envelope.of(datasets().check(caller, dataset_id, body))


handler = lambda_handler(router)
