"""DELETE /v1/datasets/{dataset_id}: take a data set away."""

from fastapi import APIRouter

from ketbase.runtime.http import Caller, lambda_handler, requires
from ketbase.runtime.wiring import datasets

router = APIRouter(tags=["datasets"])


@router.delete("/v1/datasets/{dataset_id}", status_code=204)
def delete_dataset(dataset_id: str, caller: Caller = requires("datasets:write")) -> None:
    """Take a data set away with its file; models that were trained on it stay."""
    datasets().delete(caller, dataset_id)


handler = lambda_handler(router)
