"""GET /openapi.json: the description of the whole API."""

from fastapi import APIRouter, Response

from ketbase.runtime.docs import openapi_document
from ketbase.runtime.http import lambda_handler

router = APIRouter(tags=["documentation"], include_in_schema=False)


@router.get("/openapi.json")
def get_openapi() -> Response:
    """Read the OpenAPI document."""
    return Response(openapi_document(), media_type="application/json")


handler = lambda_handler(router)
