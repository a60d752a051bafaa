"""GET /v1/jobs: list jobs."""

from typing import Annotated

from fastapi import APIRouter, Query

from ketbase.jobs.types import Job, parse_statuses
from ketbase.paging import PageRequest
from ketbase.runtime.http import Caller, Listing, lambda_handler, paged, requires
from ketbase.runtime.wiring import jobs

router = APIRouter(tags=["jobs"])


@router.get("/v1/jobs")
def list_jobs(
    status: Annotated[str, Query(description="Only in these states, comma-separated")] = "",
    page: PageRequest = paged,
    caller: Caller = requires("jobs:read"),
) -> Listing[Job]:
    """List the organisation's jobs, the newest first."""
    return Listing.of(jobs().list(caller, parse_statuses(status), page))


handler = lambda_handler(router)
