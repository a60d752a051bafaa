"""POST /v1/jobs/{job_id}/cancel: cancel a job."""

from fastapi import APIRouter

from ketbase.jobs.types import Cancellation
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import jobs

router = APIRouter(tags=["jobs"])


@router.post("/v1/jobs/{job_id}/cancel")
def cancel_job(job_id: str, caller: Caller = requires("jobs:cancel")) -> Envelope[Cancellation]:
    """Cancel a waiting or running job."""
    return Envelope.of(jobs().cancel(caller, job_id))


handler = lambda_handler(router)
