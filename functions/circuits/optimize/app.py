"""POST /v1/circuits/{circuit_id}/optimize: optimise a circuit for a backend."""

from fastapi import APIRouter

from ketbase.jobs.types import Submission
from ketbase.optimize.types import OptimizeCircuit
from ketbase.runtime.http import Caller, Envelope, IdempotencyKey, lambda_handler, requires
from ketbase.runtime.wiring import optimizations

router = APIRouter(tags=["circuits"])


@router.post("/v1/circuits/{circuit_id}/optimize", status_code=202)
def optimize_circuit(
    circuit_id: str,
    body: OptimizeCircuit,
    idempotency_key: IdempotencyKey = None,
    caller: Caller = requires("jobs:submit"),
) -> Envelope[Submission]:
    """Queue a search for a better circuit, and answer with its job; the job's result names the circuit found."""
    return Envelope.of(optimizations().submit(caller, circuit_id, body, idempotency_key))


handler = lambda_handler(router)
