"""GET /v1/jobs/{job_id}/logs: what a job said."""

from typing import Annotated

from fastapi import APIRouter, Query

from ketbase.jobs.types import MAX_CURSOR, Logs
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import jobs

router = APIRouter(tags=["jobs"])
_FOLLOW_S = 20.0


@router.get("/v1/jobs/{job_id}/logs")
def read_logs(
    job_id: str,
    lines: Annotated[int, Query(ge=1, le=1_000, description="The most lines, counted from the end")] = 100,
    after: Annotated[int, Query(ge=0, le=MAX_CURSOR, description="Only lines behind this cursor")] = 0,
    follow: Annotated[bool, Query(description="Wait up to 20 s for a line, if there is none yet")] = False,
    caller: Caller = requires("jobs:read"),
) -> Envelope[Logs]:
    """Read the last lines of a job's log. To follow it, send `cursor` as `after` with `follow=true`."""
    return Envelope.of(jobs().logs(caller, job_id, lines, after, _FOLLOW_S if follow else 0.0))


handler = lambda_handler(router)
