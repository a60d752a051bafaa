"""GET /v1/users: list the organisation's users."""

from typing import Annotated

from fastapi import APIRouter, Query

from ketbase.accounts.roles import Role
from ketbase.accounts.views import UserView
from ketbase.paging import PageRequest
from ketbase.runtime.http import Caller, Listing, lambda_handler, paged, requires
from ketbase.runtime.wiring import users

router = APIRouter(tags=["users"])


@router.get("/v1/users")
def list_users(
    role: Annotated[Role | None, Query(description="Only those with this role")] = None,
    page: PageRequest = paged,
    caller: Caller = requires("users:read"),
) -> Listing[UserView]:
    """List the users, those who joined last first."""
    return Listing.of(users().list(caller, role, page))


handler = lambda_handler(router)
