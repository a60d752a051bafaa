"""DELETE /v1/models/{model_id}: take a model away."""

from fastapi import APIRouter

from ketbase.runtime.http import Caller, lambda_handler, requires
from ketbase.runtime.wiring import registry

router = APIRouter(tags=["models"])


@router.delete("/v1/models/{model_id}", status_code=204)
def delete_model(model_id: str, caller: Caller = requires("models:deploy")) -> None:
    """Take a model away that is not in service; its version is not given again."""
    registry().delete(caller, model_id)


handler = lambda_handler(router)
