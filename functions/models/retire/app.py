"""POST /v1/models/{model_id}/retire: take a model out of service."""

from fastapi import APIRouter

from ketbase.models.types import ModelEntry
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import deployments

router = APIRouter(tags=["models"])


@router.post("/v1/models/{model_id}/retire")
def retire_model(model_id: str, caller: Caller = requires("models:deploy")) -> Envelope[ModelEntry]:
    """Take a model out of service; its functions are no longer kept warm."""
    return Envelope.of(deployments().retire(caller, model_id))


handler = lambda_handler(router)
