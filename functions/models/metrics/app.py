"""GET /v1/models/{model_id}/metrics: how a model is served."""

from typing import Annotated

from fastapi import APIRouter, Query

from ketbase.models.types import ServingMetrics
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import observations

router = APIRouter(tags=["models"])


@router.get("/v1/models/{model_id}/metrics")
def get_metrics(
    model_id: str,
    window: Annotated[str, Query(max_length=8, description="Days until today, such as `7d`")] = "7d",
    caller: Caller = requires("models:read"),
) -> Envelope[ServingMetrics]:
    """Read requests, latencies, errors and costs, day by day."""
    return Envelope.of(observations().metrics(caller, model_id, window))


handler = lambda_handler(router)
