"""DELETE /v1/invitations/{invitation_id}: take an invitation back."""

from fastapi import APIRouter

from ketbase.runtime.http import Caller, lambda_handler, requires
from ketbase.runtime.wiring import invitations

router = APIRouter(tags=["users"])


@router.delete("/v1/invitations/{invitation_id}", status_code=204)
def withdraw_invitation(invitation_id: str, caller: Caller = requires("users:write")) -> None:
    """Take an invitation back; its token opens nothing any more."""
    invitations().withdraw(caller, invitation_id)


handler = lambda_handler(router)
