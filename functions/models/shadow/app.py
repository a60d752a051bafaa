"""GET /v1/models/{model_id}/shadow: compare a model with the one that answers unseen."""

from fastapi import APIRouter

from ketbase.models.types import ShadowReport
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import comparisons

router = APIRouter(tags=["models"])


@router.get("/v1/models/{model_id}/shadow")
def compare_shadow(model_id: str, caller: Caller = requires("models:read")) -> Envelope[ShadowReport]:
    """Compare a model with the one that answers beside it, or beside which it answers."""
    return Envelope.of(comparisons().report(caller, model_id))


handler = lambda_handler(router)
