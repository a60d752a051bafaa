"""PATCH /v1/users/me: change the caller's name or preferences."""

from fastapi import APIRouter

from ketbase.accounts.requests import UpdateMe
from ketbase.accounts.views import UserView
from ketbase.runtime.http import Caller, Envelope, lambda_handler, signed_in
from ketbase.runtime.wiring import users

router = APIRouter(tags=["users"])


@router.patch("/v1/users/me")
def update_me(body: UpdateMe, caller: Caller = signed_in()) -> Envelope[UserView]:
    """Change one's own name or preferences; with an API key only where it has the scope users:write."""
    return Envelope.of(users().update_me(caller, body))


handler = lambda_handler(router)
