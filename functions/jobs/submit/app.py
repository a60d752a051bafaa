"""POST /v1/jobs: train a model."""

from fastapi import APIRouter

from ketbase.jobs.types import Submission
from ketbase.runtime.http import Caller, Envelope, IdempotencyKey, lambda_handler, requires
from ketbase.runtime.wiring import trainings
from ketbase.training.types import SubmitTraining

router = APIRouter(tags=["jobs"])


@router.post("/v1/jobs", status_code=202)
def submit_job(
    body: SubmitTraining, idempotency_key: IdempotencyKey = None, caller: Caller = requires("jobs:submit")
) -> Envelope[Submission]:
    """Queue a training of a circuit on a data set, and answer with its job; the job's result names the model."""
    return Envelope.of(trainings().submit(caller, body, idempotency_key))


handler = lambda_handler(router)
