"""DELETE /v1/auth/sessions/{session_id}: sign out elsewhere."""

from fastapi import APIRouter

from ketbase.runtime.http import Caller, lambda_handler, session_only
from ketbase.runtime.wiring import own_sessions

router = APIRouter(tags=["auth"])


@router.delete("/v1/auth/sessions/{session_id}", status_code=204)
def end_session(session_id: str, caller: Caller = session_only()) -> None:
    """End one of one's own sessions; its tokens are over at once."""
    own_sessions().end(caller, session_id)


handler = lambda_handler(router)
