"""GET /v1/auth/sessions: see where one is signed in."""

from fastapi import APIRouter

from ketbase.auth.sessions import SessionView
from ketbase.runtime.http import Caller, Listing, lambda_handler, session_only
from ketbase.runtime.wiring import own_sessions

router = APIRouter(tags=["auth"])


@router.get("/v1/auth/sessions")
def list_sessions(caller: Caller = session_only()) -> Listing[SessionView]:
    """List one's own sessions, the oldest first."""
    return Listing.whole(own_sessions().list(caller))


handler = lambda_handler(router)
