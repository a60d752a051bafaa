"""POST /v1/auth/revoke: sign out."""

from fastapi import APIRouter, Request

from ketbase.auth.types import RevokeRequest
from ketbase.runtime.http import lambda_handler, origin_of
from ketbase.runtime.oauth import ERRORS, OAuthRoute, body_of, fields, read
from ketbase.runtime.wiring import own_sessions

router = APIRouter(tags=["auth"], route_class=OAuthRoute)


@router.post("/v1/auth/revoke", openapi_extra=body_of(RevokeRequest), responses=ERRORS)
def revoke_token(request: Request, given: dict[str, str] = fields) -> None:
    """End the session of a refresh token or an access token; a token that is not known is no error (RFC 7009)."""
    own_sessions().revoke(read(RevokeRequest, given).token, origin_of(request))


handler = lambda_handler(router)
