"""POST /v1/models/{model_id}/predict: classify samples."""

from fastapi import APIRouter, BackgroundTasks

from ketbase.models.types import Predict, Predictions
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import serving

router = APIRouter(tags=["models"])


@router.post("/v1/models/{model_id}/predict")
def predict(
    model_id: str, body: Predict, later: BackgroundTasks, caller: Caller = requires("models:predict")
) -> Envelope[Predictions]:
    """Classify up to 1,000 samples by their raw features."""
    return Envelope.of(serving().predict(caller, model_id, body, later.add_task))


handler = lambda_handler(router)
