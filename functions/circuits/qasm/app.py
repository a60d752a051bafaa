"""GET /v1/circuits/{circuit_id}/qasm: a circuit as OpenQASM."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse, Response

from ketbase.runtime.http import Caller, lambda_handler, requires
from ketbase.runtime.wiring import circuits

router = APIRouter(tags=["circuits"])


# The class without a media type: errors are JSON.
@router.get(
    "/v1/circuits/{circuit_id}/qasm",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def export_qasm(
    circuit_id: str,
    version: Annotated[Literal["2", "3"], Query(description="of OpenQASM")] = "3",
    caller: Caller = requires("circuits:read"),
) -> Response:
    """Write a circuit as OpenQASM 2 or 3, as plain text."""
    return PlainTextResponse(circuits().qasm(caller, circuit_id, 2 if version == "2" else 3))


handler = lambda_handler(router)
