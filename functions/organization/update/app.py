"""PATCH /v1/organization: change the organisation."""

from fastapi import APIRouter

from ketbase.accounts.requests import UpdateOrganization
from ketbase.accounts.views import OrganizationView
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import organizations

router = APIRouter(tags=["organization"])


@router.patch("/v1/organization")
def update_organization(
    body: UpdateOrganization, caller: Caller = requires("settings:write")
) -> Envelope[OrganizationView]:
    """Change the name or some settings; what is left out stays."""
    return Envelope.of(organizations().update(caller, body))


handler = lambda_handler(router)
