"""POST /v1/datasets: announce a data set."""

from fastapi import APIRouter

from ketbase.datasets.types import CreateDataset, Upload
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import datasets

router = APIRouter(tags=["datasets"])


@router.post("/v1/datasets", status_code=201)
def create_dataset(body: CreateDataset, caller: Caller = requires("datasets:write")) -> Envelope[Upload]:
    """Make a data set, and say where its file is to be sent."""
    return Envelope.of(datasets().create(caller, body))


handler = lambda_handler(router)
