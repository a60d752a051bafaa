"""GET /v1/organization: show the caller's organisation."""

from fastapi import APIRouter

from ketbase.accounts.views import OrganizationView
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import organizations

router = APIRouter(tags=["organization"])


@router.get("/v1/organization")
def get_organization(caller: Caller = requires("organization:read")) -> Envelope[OrganizationView]:
    """Show the organisation, its settings and how many members it has."""
    return Envelope.of(organizations().get(caller))


handler = lambda_handler(router)
