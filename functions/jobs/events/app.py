"""GET /v1/jobs/{job_id}/events: what happened to a job."""

from typing import Annotated

from fastapi import APIRouter, Query

from ketbase.jobs.types import MAX_CURSOR, Events
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import jobs

router = APIRouter(tags=["jobs"])


@router.get("/v1/jobs/{job_id}/events")
def list_events(
    job_id: str,
    after: Annotated[int, Query(ge=0, le=MAX_CURSOR, description="Only events behind this cursor")] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    caller: Caller = requires("jobs:read"),
) -> Envelope[Events]:
    """Read a job's events in order, from behind a cursor."""
    return Envelope.of(jobs().events(caller, job_id, after, limit))


handler = lambda_handler(router)
