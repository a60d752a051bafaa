"""DELETE /v1/users/{user_id}: remove a user."""

from fastapi import APIRouter

from ketbase.runtime.http import Caller, lambda_handler, requires
from ketbase.runtime.wiring import users

router = APIRouter(tags=["users"])


@router.delete("/v1/users/{user_id}", status_code=204)
def remove_user(user_id: str, caller: Caller = requires("users:write")) -> None:
    """Remove a user; their sessions and keys are refused at once, and what they made stays."""
    users().remove(caller, user_id)


handler = lambda_handler(router)
