"""POST /v1/organizations: sign up."""

from typing import Annotated

from fastapi import APIRouter, Depends

from ketbase.accounts.requests import SignUp
from ketbase.accounts.types import Origin
from ketbase.accounts.views import SignedUp
from ketbase.runtime.http import Envelope, lambda_handler, origin_of
from ketbase.runtime.wiring import sign_ups

router = APIRouter(tags=["organization"])


@router.post("/v1/organizations", status_code=201)
def create_organization(body: SignUp, origin: Annotated[Origin, Depends(origin_of)]) -> Envelope[SignedUp]:
    """Make an organisation and its owner, who can sign in then; where the installation is open to it."""
    return Envelope.of(sign_ups().sign_up(origin, body))


handler = lambda_handler(router)
