"""GET /v1/circuits/{circuit_id}/diagram: a picture of a circuit."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from ketbase.runtime.http import Caller, lambda_handler, requires
from ketbase.runtime.wiring import circuits

router = APIRouter(tags=["circuits"])
_MEDIA_TYPE = {"svg": "image/svg+xml", "text": "text/plain; charset=utf-8"}


@router.get(
    "/v1/circuits/{circuit_id}/diagram",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {}, "text/plain": {}}}},
)
def draw_circuit(
    circuit_id: str,
    form: Annotated[Literal["svg", "text"], Query(alias="format")] = "svg",
    caller: Caller = requires("circuits:read"),
) -> Response:
    """Draw a circuit as SVG or in characters, qubit 0 on top."""
    return Response(circuits().diagram(caller, circuit_id, form), media_type=_MEDIA_TYPE[form])


handler = lambda_handler(router)
