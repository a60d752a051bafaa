"""GET /v1/users/{user_id}: show a user."""

from fastapi import APIRouter

from ketbase.accounts.views import UserView
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import users

router = APIRouter(tags=["users"])


@router.get("/v1/users/{user_id}")
def get_user(user_id: str, caller: Caller = requires("users:read")) -> Envelope[UserView]:
    """Show a user of the organisation."""
    return Envelope.of(users().get(caller, user_id))


handler = lambda_handler(router)
