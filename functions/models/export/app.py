"""GET /v1/models/{model_id}/export: a model written for others."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from ketbase.models.exporting import FILES, Form
from ketbase.runtime.http import Caller, lambda_handler, requires
from ketbase.runtime.wiring import exports

router = APIRouter(tags=["models"])


@router.get(
    "/v1/models/{model_id}/export",
    response_class=Response,
    responses={200: {"content": {kind: {} for kind, _ in FILES.values()}}},
)
def export_model(
    model_id: str,
    form: Annotated[Form, Query(description="`onnx` is the preprocessing alone")] = "qasm3",
    caller: Caller = requires("models:read"),
) -> Response:
    """Write a model as OpenQASM 3, as a Python file for Qiskit or PennyLane, or its preprocessing as ONNX."""
    kind, name = FILES[form]
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(exports().export(caller, model_id, form), media_type=kind, headers=headers)


handler = lambda_handler(router)
