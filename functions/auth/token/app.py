"""POST /v1/auth/token: sign in, or carry a session on."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ketbase.auth.types import Grant, TokenRequest
from ketbase.runtime.http import lambda_handler, origin_of
from ketbase.runtime.oauth import ERRORS, NO_STORE, OAuthRoute, body_of, fields, read
from ketbase.runtime.wiring import grants

router = APIRouter(tags=["auth"], route_class=OAuthRoute)


@router.post("/v1/auth/token", openapi_extra=body_of(TokenRequest), responses=ERRORS)
def issue_tokens(request: Request, response: Response, given: dict[str, str] = fields) -> Grant:
    """Answer a password, or a refresh token, with an access token and the next refresh token (RFC 6749)."""
    response.headers.update(NO_STORE)
    return grants().grant(read(TokenRequest, given), origin_of(request))


handler = lambda_handler(router)
