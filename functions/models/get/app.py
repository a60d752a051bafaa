"""GET /v1/models/{model_id}: read a model."""

from fastapi import APIRouter

from ketbase.models.types import ModelRecord
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import registry

router = APIRouter(tags=["models"])


@router.get("/v1/models/{model_id}")
def get_model(model_id: str, caller: Caller = requires("models:read")) -> Envelope[ModelRecord]:
    """Read a model with its metrics, its baselines and where it comes from."""
    return Envelope.of(registry().get(caller, model_id))


handler = lambda_handler(router)
