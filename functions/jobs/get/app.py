"""GET /v1/jobs/{job_id}: where a job stands."""

from fastapi import APIRouter

from ketbase.jobs.types import Job
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import jobs

router = APIRouter(tags=["jobs"])


@router.get("/v1/jobs/{job_id}")
def get_job(job_id: str, caller: Caller = requires("jobs:read")) -> Envelope[Job]:
    """Read a job's status and progress."""
    return Envelope.of(jobs().get(caller, job_id))


handler = lambda_handler(router)
