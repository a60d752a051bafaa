"""Takes a run in: checks it against the backend and queues it as a job."""

import hashlib
import json
import logging
import secrets
from datetime import datetime, timedelta

from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller, OrganizationSettings
from ketbase.audit.lines import line
from ketbase.backends.service import Backends
from ketbase.backends.types import BackendInfo
from ketbase.circuits.service import Circuits
from ketbase.circuits.types import Circuit, bind_check
from ketbase.costs.quotes import Quotes
from ketbase.errors import ForbiddenError, InvalidCircuitError, InvalidError
from ketbase.ids import new_id
from ketbase.jobs.layout import blob_key
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobStatus, Submission
from ketbase.ledger.layout import month_of
from ketbase.ports.blobs import Blobs
from ketbase.ports.clock import Clock
from ketbase.ports.doorbell import Doorbell
from ketbase.run.types import MAX_SEED, RunCircuit, RunConfig, RunOptions
from ketbase.steps.types import JobCircuit

DEFAULT_BACKEND = "aer"

_LOG = logging.getLogger(__name__)


class Runs:
    """Submission of runs."""

    def __init__(
        self,
        accounts: AccountStore,
        circuits: Circuits,
        backends: Backends,
        quotes: Quotes,
        jobs: JobStore,
        blobs: Blobs,
        doorbell: Doorbell,
        clock: Clock,
    ):
        self._accounts = accounts
        self._circuits = circuits
        self._backends = backends
        self._quotes = quotes
        self._jobs = jobs
        self._blobs = blobs
        self._doorbell = doorbell
        self._clock = clock

    def submit(self, caller: Caller, circuit_id: str, body: RunCircuit, idempotency_key: str | None) -> Submission:
        """Queue a run of a circuit, with its ceiling reserved. The job keeps its own copy of the circuit.

        Args:
            caller: whose circuit it is.
            circuit_id: what to run.
            body: how to run it.
            idempotency_key: repeating a submission under the same key answers with the first one's job.

        Raises:
            NotFoundError: `CIRCUIT_NOT_FOUND`, `BACKEND_NOT_FOUND`.
            ForbiddenError: `BACKEND_NOT_ALLOWED`, `HARDWARE_NOT_ENABLED`, by the organisation's settings.
            InvalidError: `UNPRICED_BACKEND`, `BUDGET_LIMIT_TOO_LOW`.
            InvalidCircuitError: the circuit does not fit the backend, or parameters are missing or unknown.
            BudgetError: `BUDGET_EXCEEDED`, `JOBS_PAUSED`.
            ConflictError: `IDEMPOTENCY_KEY_REUSED`.
        """
        fingerprint = _fingerprint(circuit_id, body)
        job = None
        if idempotency_key is not None:
            # First of all: what was accepted stays accepted, even if its circuit is gone by now.
            job = self._jobs.submitted(caller.organization_id, caller.user_id, idempotency_key, fingerprint)
        if job is None:
            circuit = self._circuits.get(caller, circuit_id)
            backend = self._backends.info(body.backend or self._default_backend(caller))
            self._check_allowed(caller, backend)
            check_fits(circuit, backend, body)
            job = self._keep(caller, circuit, backend, body, idempotency_key, fingerprint)
        if job.status is JobStatus.QUEUED:
            self._ring(job)
        position = self._jobs.position(job)
        return Submission(
            job_id=job.id,
            status=job.status,
            queue_position=position,
            estimated_start=self._estimate_start(job, position),
            estimated_cost=job.estimated_cost,
            reserved_cost=job.reserved_cost,
        )

    def _default_backend(self, caller: Caller) -> str:
        user = self._accounts.user(caller.organization_id, caller.user_id)
        return (user and user.preferences.default_backend) or DEFAULT_BACKEND

    def _check_allowed(self, caller: Caller, backend: BackendInfo) -> None:
        organization = self._accounts.organization(caller.organization_id)
        if organization is not None:
            check_allowed(organization.settings, backend)

    def _ring(self, job: Job) -> None:
        """Ring for a job. It is accepted by now, so a bell that fails must not look like a refusal: the schedule
        that calls the dispatcher every minute finds the job as well.
        """
        try:
            self._doorbell.ring(f"{job.id} waits")
        except Exception:  # noqa: BLE001 (whatever is wrong with the bell)
            _LOG.exception("the doorbell did not ring for %s", job.id)

    def _keep(
        self,
        caller: Caller,
        circuit: Circuit,
        backend: BackendInfo,
        body: RunCircuit,
        idempotency_key: str | None,
        fingerprint: str,
    ) -> Job:
        options = body.model_dump(include=set(RunOptions.model_fields) - {"seed"})
        seed = secrets.randbelow(MAX_SEED) if body.seed is None else body.seed
        quote = self._quotes.run(circuit, backend, body.shots, body.budget_limit)
        now = self._clock.now()
        job = Job(
            id=new_id("job"),
            organization_id=caller.organization_id,
            user_id=caller.user_id,
            kind="run",
            status=JobStatus.QUEUED,
            priority=body.priority,
            circuit_id=circuit.id,
            backend=backend.id,
            config=RunConfig(**options, backend=backend.id, seed=seed).model_dump(mode="json"),
            key_id=caller.key_id,
            month=month_of(now),
            estimated_cost=quote.estimated,
            reserved_cost=quote.reserved,
            created_at=now,
            updated_at=now,
        )
        copy = JobCircuit(
            circuit_id=circuit.id, definition=circuit.circuit_definition, source_qasm=circuit.source_qasm
        )
        self._blobs.put(
            blob_key(job.reference, "circuit.json"),
            copy.model_dump_json().encode(),
            content_type="application/json",
        )
        submitted = line(
            self._clock, caller, "job.submitted", job.id, backend=backend.id, reserved_cost=str(job.reserved_cost)
        )
        return self._jobs.submit(job, idempotency_key, fingerprint, submitted)

    def _estimate_start(self, job: Job, position: int) -> datetime | None:
        if job.started_at is not None or position <= 1:
            return job.started_at or self._clock.now()
        seconds = self._backends.recent_seconds(job.backend)
        return None if seconds is None else self._clock.now() + timedelta(seconds=seconds * (position - 1))


def _fingerprint(circuit_id: str, body: RunCircuit) -> str:
    """Tell requests apart by what they ask, whatever the order in which they name it."""
    asked = json.dumps([circuit_id, body.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def check_allowed(settings: OrganizationSettings, backend: BackendInfo) -> None:
    """Check that an organisation lets its jobs run on a backend.

    Raises:
        ForbiddenError: `BACKEND_NOT_ALLOWED` or `HARDWARE_NOT_ENABLED`.
    """
    allowed = settings.allowed_backends
    if allowed is not None and backend.id not in allowed:
        raise ForbiddenError(
            "BACKEND_NOT_ALLOWED",
            f"Your organisation does not run jobs on {backend.id}; it allows {', '.join(allowed) or 'none'}.",
            backend_id=backend.id,
            allowed_backends=list(allowed),
        )
    if backend.type == "hardware" and not settings.enable_hardware:
        raise ForbiddenError(
            "HARDWARE_NOT_ENABLED",
            f"{backend.id} is quantum hardware, which your organisation has not enabled; an admin can "
            "(PATCH /v1/organization, settings.enable_hardware).",
            backend_id=backend.id,
        )


def check_fits(circuit: Circuit, backend: BackendInfo, body: RunCircuit) -> None:
    """Check what can be known of a run before it is compiled.

    Raises:
        InvalidError: `TOO_MANY_SHOTS` for the backend.
        InvalidCircuitError: `TOO_MANY_QUBITS`, `UNSUPPORTED_OPERATION`, `UNBOUND_PARAMETERS` or
            `UNKNOWN_PARAMETERS`.
    """
    can = backend.capabilities
    if body.shots > can.max_shots:
        raise InvalidError(
            "TOO_MANY_SHOTS",
            f"{backend.id} runs at most {can.max_shots} shots, {body.shots} were asked for.",
            field="shots",
            limit=can.max_shots,
        )
    if circuit.n_qubits > can.max_qubits:
        raise InvalidCircuitError(
            "TOO_MANY_QUBITS",
            f"{backend.id} has {can.max_qubits} qubits, the circuit needs {circuit.n_qubits}.",
            limit=can.max_qubits,
            n_qubits=circuit.n_qubits,
        )
    lacks = [
        feature
        for feature, supported in (
            ("control_flow", can.supports_control_flow),
            ("mid_circuit_measurement", can.supports_mid_circuit_measurement),
        )
        if feature in circuit.features and not supported
    ]
    if lacks:
        raise InvalidCircuitError(
            "UNSUPPORTED_OPERATION",
            f"{backend.id} cannot run {' or '.join(lacks).replace('_', ' ')}, which the circuit uses.",
            features=lacks,
        )
    inputs = circuit.circuit_definition.inputs
    missing, unknown = bind_check(inputs, body.parameters)
    if missing:
        raise InvalidCircuitError(
            "UNBOUND_PARAMETERS",
            f"The circuit's parameters need values (radians) in `parameters`: {', '.join(missing)}.",
            field="parameters",
            parameters=missing,
        )
    if unknown:
        raise InvalidCircuitError(
            "UNKNOWN_PARAMETERS",
            f"The circuit has no parameters {', '.join(unknown)}; it has {', '.join(inputs) or 'none'}.",
            field="parameters",
            parameters=unknown,
        )
