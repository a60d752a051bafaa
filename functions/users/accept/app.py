"""POST /v1/invitations/accept: join an organisation."""

from typing import Annotated

from fastapi import APIRouter, Depends

from ketbase.accounts.requests import AcceptInvitation
from ketbase.accounts.types import Origin
from ketbase.accounts.views import UserView
from ketbase.runtime.http import Envelope, lambda_handler, origin_of
from ketbase.runtime.wiring import joining

router = APIRouter(tags=["users"])


@router.post("/v1/invitations/accept", status_code=201)
def accept_invitation(body: AcceptInvitation, origin: Annotated[Origin, Depends(origin_of)]) -> Envelope[UserView]:
    """Become a user with the token from an invitation, which is good once."""
    return Envelope.of(joining().accept(origin, body))


handler = lambda_handler(router)
