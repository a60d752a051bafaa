"""Takes a run in: checks it against the backend and queues it as a job."""

import secrets
from typing import Any

from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller, OrganizationSettings
from ketbase.backends.checks import check_experiment, check_not_optimized
from ketbase.backends.circuit_count import CircuitCount, check_count
from ketbase.backends.service import Backends
from ketbase.backends.types import WITH_MODES, BackendInfo
from ketbase.circuits.service import Circuits
from ketbase.circuits.types import Circuit
from ketbase.costs.quotes import Quote, Quotes
from ketbase.errors import ForbiddenError, InvalidCircuitError, InvalidError
from ketbase.jobs.types import Submission
from ketbase.run.candidates import Candidates
from ketbase.run.choosing import AUTO
from ketbase.run.configs import APART, parted
from ketbase.run.types import MAX_SEED, RunCircuit, RunConfig, RunOptions
from ketbase.steps.intake import Intake, fingerprint_of

DEFAULT_BACKEND = "aer"


class Runs:
    """Submission of runs."""

    def __init__(
        self, accounts: AccountStore, circuits: Circuits, backends: Backends, quotes: Quotes, intake: Intake
    ):
        self._accounts = accounts
        self._circuits = circuits
        self._backends = backends
        self._quotes = quotes
        self._intake = intake
        self._candidates = Candidates(backends)

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
            InvalidError: `UNPRICED_BACKEND`, `BUDGET_LIMIT_TOO_LOW`, `NO_BACKEND`.
            InvalidCircuitError: the circuit does not fit the backend, or what is asked does not fit the circuit.
            BudgetError: `BUDGET_EXCEEDED`, `JOBS_PAUSED`.
            ConflictError: `IDEMPOTENCY_KEY_REUSED`.
        """
        fingerprint = fingerprint_of(circuit_id, body)
        job = self._intake.earlier(caller, idempotency_key, fingerprint)
        if job is None:
            circuit = self._circuits.get(caller, circuit_id)
            config, quote = self._planned(caller, circuit, body)
            record, apart = parted(config)
            job = self._intake.take(
                caller,
                "run",
                circuit,
                config.backend,
                record,
                quote,
                priority=body.priority,
                idempotency_key=idempotency_key,
                fingerprint=fingerprint,
                beside=None if apart is None else {APART: apart},
            )
        return self._intake.answer(job)

    def _planned(self, caller: Caller, circuit: Circuit, body: RunCircuit) -> tuple[RunConfig, Quote]:
        """Say how the run will go, and price it."""
        organization = self._accounts.organization(caller.organization_id)

        def quoted(backend: BackendInfo, trials: int = 0) -> Quote:
            if organization is not None:
                check_allowed(organization.settings, backend)
            count = check_fits(circuit, backend, body)
            return self._quotes.run(circuit, backend, body.shots, body.budget_limit, count, trials)

        if body.backend == AUTO:
            candidates, dearest = self._candidates.find(circuit, body.choosing, quoted)
            more = {"choosing": body.choosing, "candidates": candidates, "circuits": dearest.circuits}
            return _config(body, AUTO, **more), dearest
        backend = self._backends.info(body.backend or self._default_backend(caller))
        quote = quoted(backend)
        return _config(body, backend.id, circuits=quote.circuits), quote

    def _default_backend(self, caller: Caller) -> str:
        user = self._accounts.user(caller.organization_id, caller.user_id)
        return (user and user.preferences.default_backend) or DEFAULT_BACKEND


def _config(body: RunCircuit, backend: str, **more: Any) -> RunConfig:
    options = body.model_dump(include=set(RunOptions.model_fields) - {"seed"})
    seed = secrets.randbelow(MAX_SEED) if body.seed is None else body.seed
    return RunConfig(**options, **more, backend=backend, seed=seed)


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


def check_fits(circuit: Circuit, backend: BackendInfo, body: RunCircuit) -> CircuitCount:
    """Check what can be known of a run before it is compiled, and count the circuits that it is executed as.

    Raises:
        InvalidError: `TOO_MANY_SHOTS` for the backend, or `UNSUPPORTED_EXECUTION_MODE`.
        InvalidCircuitError: `TOO_MANY_QUBITS`, `TOO_MANY_CIRCUITS`, `TOO_MANY_OUTCOMES`, `UNSUPPORTED_OPERATION`,
            `UNBOUND_PARAMETERS`, `UNKNOWN_PARAMETERS`, `INVALID_OBSERVABLE`, `OPTIMIZED_CIRCUIT` or
            `MITIGATION_WITHOUT_OBSERVABLES`.
    """
    can = backend.capabilities
    if body.shots > can.max_shots:
        raise InvalidError(
            "TOO_MANY_SHOTS",
            f"{backend.id} runs at most {can.max_shots} shots, {body.shots} were asked for.",
            field="shots",
            limit=can.max_shots,
        )
    if body.execution_mode != "job" and backend.engine not in WITH_MODES:
        raise InvalidError(
            "UNSUPPORTED_EXECUTION_MODE",
            f"{backend.id} has no {body.execution_mode}: leave execution_mode out, or take a machine of IBM's.",
            field="execution_mode",
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
    definition, experiment = circuit.circuit_definition, body.experiment
    if experiment.observables:
        check_not_optimized(circuit.placement, "observables")
    check_experiment(definition, experiment)
    count = CircuitCount.of(experiment, backend)
    n_bits = max(definition.n_qubits, sum(size for _, size in definition.registers))
    check_count(count, backend, shots=body.shots, n_bits=n_bits, counted=not body.observables)
    return count
