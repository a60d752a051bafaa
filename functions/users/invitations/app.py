"""GET /v1/invitations: list the invitations that wait for an answer."""

from fastapi import APIRouter

from ketbase.accounts.views import Invitation
from ketbase.paging import PageRequest
from ketbase.runtime.http import Caller, Listing, lambda_handler, paged, requires
from ketbase.runtime.wiring import invitations

router = APIRouter(tags=["users"])


@router.get("/v1/invitations")
def list_invitations(page: PageRequest = paged, caller: Caller = requires("users:read")) -> Listing[Invitation]:
    """List the invitations that nobody has accepted yet, the newest first."""
    return Listing.of(invitations().list(caller, page))


handler = lambda_handler(router)
