"""GET /v1/jobs/{job_id}/result: what a job found."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import TypeAdapter

from ketbase.jobs.types import ResultLink
from ketbase.optimize.types import OptimizeResult
from ketbase.run.types import RunResult
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import jobs
from ketbase.training.types import TrainingResult

router = APIRouter(tags=["jobs"])

type Result = RunResult | OptimizeResult | TrainingResult
_RESULT: TypeAdapter[Result] = TypeAdapter(Result)


@router.get("/v1/jobs/{job_id}/result")
def get_result(
    job_id: str,
    wait: Annotated[int, Query(ge=0, le=20, description="Wait up to so many seconds for the job's end")] = 0,
    caller: Caller = requires("jobs:read"),
) -> Envelope[Result | ResultLink]:
    """Read what a completed job found: counts or expectation values, a better circuit, or a model."""
    result = jobs().result(caller, job_id, wait)
    return Envelope.of(result if isinstance(result, ResultLink) else _RESULT.validate_python(result))


handler = lambda_handler(router)
