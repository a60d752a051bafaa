"""GET /v1/audit: read the audit log."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from ketbase.audit.types import AuditFilter, SealedLine
from ketbase.paging import PageRequest
from ketbase.runtime.http import Caller, Listing, lambda_handler, paged, requires
from ketbase.runtime.wiring import audit

router = APIRouter(tags=["organization"])


@router.get("/v1/audit")
def list_audit(
    action: Annotated[str, Query(max_length=100, description="Such as `key.created`, or `key.*`")] = "",
    actor_id: Annotated[str, Query(max_length=100, description="Only what this user did")] = "",
    target: Annotated[str, Query(max_length=100, description="Only what was done to this")] = "",
    start: Annotated[AwareDatetime | None, Query(description="From this moment on")] = None,
    end: Annotated[AwareDatetime | None, Query(description="Before this moment")] = None,
    page: PageRequest = paged,
    caller: Caller = requires("audit:read"),
) -> Listing[SealedLine]:
    """Read who did what, when and from where, the newest first; a line has its number within about a minute.

    With a filter, `meta.total` counts at most 10,000 lines: there may be more where it says 10,000. `start` and
    `end` make a search in a long log fast.
    """
    wanted = AuditFilter(action=action, actor_id=actor_id, target=target, start=start, end=end)
    return Listing.of(audit().list(caller, wanted, page))


handler = lambda_handler(router)
