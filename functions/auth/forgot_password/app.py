"""POST /v1/auth/password/forgot: ask for a mail to set a new password."""

from fastapi import APIRouter, Request

from ketbase.auth.types import ForgotPassword
from ketbase.runtime.http import lambda_handler, origin_of
from ketbase.runtime.wiring import password_changes

router = APIRouter(tags=["auth"])


@router.post("/v1/auth/password/forgot", status_code=202)
def forgot_password(body: ForgotPassword, request: Request) -> None:
    """Send a mail with a token, if there is a user with this address; the answer is the same either way."""
    password_changes().forget(body, origin_of(request))


handler = lambda_handler(router)
