"""POST /v1/auth/mfa/confirm: turn the second factor on."""

from fastapi import APIRouter

from ketbase.auth.types import ConfirmFactor, RecoveryCodes
from ketbase.runtime.http import Caller, Envelope, lambda_handler, session_only
from ketbase.runtime.wiring import mfa

router = APIRouter(tags=["auth"])


@router.post("/v1/auth/mfa/confirm")
def confirm_mfa(body: ConfirmFactor, caller: Caller = session_only()) -> Envelope[RecoveryCodes]:
    """Turn the second factor on with the first code; the recovery codes are shown once."""
    return Envelope.of(mfa().confirm(caller, body))


handler = lambda_handler(router)
