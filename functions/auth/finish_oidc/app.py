"""GET /v1/auth/oidc/callback: come back from the identity provider."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ketbase.auth.types import Grant
from ketbase.runtime.http import lambda_handler, origin_of
from ketbase.runtime.oidc import browser_of, forget
from ketbase.runtime.wiring import oidc

router = APIRouter(tags=["auth"])


@router.get("/v1/auth/oidc/callback")
def finish_oidc(
    request: Request,
    response: Response,
    state: Annotated[str, Query(max_length=128)] = "",
    code: Annotated[str, Query(max_length=4_096)] = "",
    error: Annotated[str, Query(max_length=256)] = "",
) -> Grant:
    """Exchange the provider's code, and answer tokens as POST /v1/auth/token does."""
    forget(response)
    return oidc().finish(state, code, error, browser_of(request), origin_of(request))


handler = lambda_handler(router)
