"""Takes optimisations in."""

from ketbase.accounts.types import Caller
from ketbase.backends.service import Backends
from ketbase.circuits.service import Circuits
from ketbase.circuits.types import Circuit
from ketbase.costs.quotes import Quotes
from ketbase.errors import InvalidCircuitError
from ketbase.ids import new_id
from ketbase.jobs.types import Submission
from ketbase.optimize.types import OptimizeCircuit, OptimizeConfig, OptimizeOptions
from ketbase.steps.intake import Intake, fingerprint_of

_LONGEST_NAME = 255


class Optimizations:
    """Submission of optimisations."""

    def __init__(self, circuits: Circuits, backends: Backends, quotes: Quotes, intake: Intake):
        self._circuits = circuits
        self._backends = backends
        self._quotes = quotes
        self._intake = intake

    def submit(
        self, caller: Caller, circuit_id: str, body: OptimizeCircuit, idempotency_key: str | None
    ) -> Submission:
        """Queue an optimisation of a circuit, with its ceiling reserved.

        Raises:
            NotFoundError: `CIRCUIT_NOT_FOUND`, `BACKEND_NOT_FOUND`.
            InvalidCircuitError: `TOO_MANY_QUBITS`.
            InvalidError: `BUDGET_LIMIT_TOO_LOW`.
            BudgetError: `BUDGET_EXCEEDED`, `JOBS_PAUSED`.
            ConflictError: `IDEMPOTENCY_KEY_REUSED`.
        """
        fingerprint = fingerprint_of(circuit_id, body)
        job = self._intake.earlier(caller, idempotency_key, fingerprint)
        if job is None:
            circuit = self._circuits.get(caller, circuit_id)
            backend = self._backends.info(body.target_backend)
            if circuit.n_qubits > backend.capabilities.max_qubits:
                raise InvalidCircuitError(
                    "TOO_MANY_QUBITS",
                    f"{backend.id} has {backend.capabilities.max_qubits} qubits, the circuit needs "
                    f"{circuit.n_qubits}.",
                    limit=backend.capabilities.max_qubits,
                    n_qubits=circuit.n_qubits,
                )
            job = self._intake.take(
                caller,
                "optimize",
                circuit,
                backend.id,
                _config(circuit, body),
                self._quotes.optimize(backend, body.effort, body.budget_limit),
                priority=body.priority,
                idempotency_key=idempotency_key,
                fingerprint=fingerprint,
            )
        return self._intake.answer(job)


def _config(circuit: Circuit, body: OptimizeCircuit) -> OptimizeConfig:
    name = body.name or f"{circuit.name}, for {body.target_backend}"
    return OptimizeConfig(
        **body.model_dump(include=set(OptimizeOptions.model_fields)),
        target_backend=body.target_backend,
        name=name[-_LONGEST_NAME:],
        optimized_circuit_id=new_id("circuit"),
    )
