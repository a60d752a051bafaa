"""DELETE /v1/auth/mfa: turn the second factor off."""

from fastapi import APIRouter

from ketbase.auth.types import DisableFactor
from ketbase.runtime.http import Caller, lambda_handler, session_only
from ketbase.runtime.wiring import mfa

router = APIRouter(tags=["auth"])


@router.delete("/v1/auth/mfa", status_code=204)
def disable_mfa(body: DisableFactor, caller: Caller = session_only()) -> None:
    """Turn the second factor off, with a code of it or a recovery code; a password is not enough."""
    mfa().disable(caller, body)


handler = lambda_handler(router)
