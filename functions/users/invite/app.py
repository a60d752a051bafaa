"""POST /v1/users: invite somebody into the organisation."""

from fastapi import APIRouter

from ketbase.accounts.requests import InviteUser
from ketbase.accounts.views import Invitation
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import invitations

router = APIRouter(tags=["users"])


@router.post("/v1/users", status_code=201)
def invite_user(body: InviteUser, caller: Caller = requires("users:write")) -> Envelope[Invitation]:
    """Send an invitation that is good for seven days; a second one to the same address replaces the first."""
    return Envelope.of(invitations().invite(caller, body))


handler = lambda_handler(router)
