"""GET /v1/users/me: show the caller."""

from fastapi import APIRouter

from ketbase.accounts.views import UserView
from ketbase.runtime.http import Caller, Envelope, lambda_handler, signed_in
from ketbase.runtime.wiring import users

router = APIRouter(tags=["users"])


@router.get("/v1/users/me")
def get_me(caller: Caller = signed_in()) -> Envelope[UserView]:
    """Show whoever calls: the one who signed in, or the owner of the API key."""
    return Envelope.of(users().get(caller, caller.user_id))


handler = lambda_handler(router)
