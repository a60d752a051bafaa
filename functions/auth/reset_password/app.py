"""POST /v1/auth/password/reset: set a new password with the token from a mail."""

from fastapi import APIRouter, Request

from ketbase.auth.types import ResetPassword
from ketbase.runtime.http import lambda_handler, origin_of
from ketbase.runtime.wiring import password_changes

router = APIRouter(tags=["auth"])


@router.post("/v1/auth/password/reset", status_code=204)
def reset_password(body: ResetPassword, request: Request) -> None:
    """Set a new password with the token from a mail; all sessions end."""
    password_changes().reset(body, origin_of(request))


handler = lambda_handler(router)
