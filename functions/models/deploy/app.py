"""POST /v1/models/{model_id}/deploy: put a model into service."""

from fastapi import APIRouter

from ketbase.models.types import Deployed, DeployModel
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import deployments

router = APIRouter(tags=["models"])


@router.post("/v1/models/{model_id}/deploy", status_code=202)
def deploy_model(
    model_id: str, body: DeployModel, caller: Caller = requires("models:deploy")
) -> Envelope[Deployed]:
    """Put a model into service, or beside one that is there, to be compared."""
    return Envelope.of(deployments().deploy(caller, model_id, body))


handler = lambda_handler(router)
