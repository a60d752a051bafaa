"""DELETE /v1/organization: delete the organisation with all that it owns."""

from fastapi import APIRouter

from ketbase.accounts.requests import DeleteOrganization
from ketbase.accounts.views import Farewell
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import organizations

router = APIRouter(tags=["organization"])


@router.delete("/v1/organization", status_code=202)
def delete_organization(
    body: DeleteOrganization, caller: Caller = requires("organization:delete")
) -> Envelope[Farewell]:
    """Refuse all its sessions and keys at once, then erase everything but its audit log. Nothing brings it back."""
    return Envelope.of(organizations().delete(caller, body.confirmation))


handler = lambda_handler(router)
