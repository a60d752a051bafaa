"""POST /v1/auth/mfa: get a secret for an authenticator app."""

from fastapi import APIRouter

from ketbase.auth.types import Enrolment
from ketbase.runtime.http import Caller, Envelope, lambda_handler, session_only
from ketbase.runtime.wiring import mfa

router = APIRouter(tags=["auth"])


@router.post("/v1/auth/mfa", status_code=201)
def enrol_mfa(caller: Caller = session_only()) -> Envelope[Enrolment]:
    """Offer a secret, shown once; it counts when its first code is confirmed."""
    return Envelope.of(mfa().enrol(caller))


handler = lambda_handler(router)
