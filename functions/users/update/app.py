"""PATCH /v1/users/{user_id}: change a user's role, name or monthly limit."""

from fastapi import APIRouter

from ketbase.accounts.requests import UpdateUser
from ketbase.accounts.views import UserView
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import users

router = APIRouter(tags=["users"])


@router.patch("/v1/users/{user_id}")
def update_user(user_id: str, body: UpdateUser, caller: Caller = requires("users:write")) -> Envelope[UserView]:
    """Change a user who is not above the caller; what is left out stays."""
    return Envelope.of(users().update(caller, user_id, body))


handler = lambda_handler(router)
