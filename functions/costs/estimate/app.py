"""POST /v1/estimate: what a run would cost."""

from fastapi import APIRouter

from ketbase.costs.estimate import Estimate, EstimateRequest
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import comparison

router = APIRouter(tags=["costs"])


@router.post("/v1/estimate")
def estimate_cost(body: EstimateRequest, caller: Caller = requires("usage:read")) -> Envelope[Estimate]:
    """Price a run on one or several backends, side by side, without submitting anything."""
    return Envelope.of(comparison().compare(caller, body))


handler = lambda_handler(router)
