"""POST /v1/auth/password: change one's password."""

from fastapi import APIRouter

from ketbase.auth.types import ChangePassword
from ketbase.runtime.http import Caller, lambda_handler, session_only
from ketbase.runtime.wiring import password_changes

router = APIRouter(tags=["auth"])


@router.post("/v1/auth/password", status_code=204)
def change_password(body: ChangePassword, caller: Caller = session_only()) -> None:
    """Change one's password; all other sessions end."""
    password_changes().change(caller, body)


handler = lambda_handler(router)
