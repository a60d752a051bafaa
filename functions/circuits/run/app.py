"""POST /v1/circuits/{circuit_id}/run: run a circuit on a backend."""

from fastapi import APIRouter

from ketbase.jobs.types import Submission
from ketbase.run.types import RunCircuit
from ketbase.runtime.http import Caller, Envelope, IdempotencyKey, lambda_handler, requires
from ketbase.runtime.wiring import runs

router = APIRouter(tags=["circuits"])


@router.post("/v1/circuits/{circuit_id}/run", status_code=202)
def run_circuit(
    circuit_id: str,
    body: RunCircuit,
    idempotency_key: IdempotencyKey = None,
    caller: Caller = requires("jobs:submit"),
) -> Envelope[Submission]:
    """Queue a run of a circuit, and answer with its job."""
    return Envelope.of(runs().submit(caller, circuit_id, body, idempotency_key))


handler = lambda_handler(router)
