"""The step of an optimisation's workflow: it searches, keeps what it finds, and completes the job."""

import hashlib
import json
from contextlib import suppress

from ketbase.audit.lines import system_line
from ketbase.backends.service import Backends
from ketbase.backends.types import BackendInfo
from ketbase.circuits.store import CircuitStore
from ketbase.circuits.types import Circuit, Metadata, Placement
from ketbase.costs.meter import Meter
from ketbase.costs.quotes import optimizing_s
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobReference
from ketbase.optimize.types import OptimizeConfig, Optimized, OptimizeOptions, OptimizeResult, gates, reduction
from ketbase.ports.blobs import BlobNotFoundError, Blobs
from ketbase.ports.clock import Clock
from ketbase.ports.doorbell import Doorbell
from ketbase.ports.quantum import QuantumProvider
from ketbase.ports.records import ConditionFailedError
from ketbase.steps.ceiling import Ceiling, CeilingReachedError, JobOverError, ceiling_reached
from ketbase.steps.failures import StepFailedError, refusals
from ketbase.steps.files import JobFiles
from ketbase.steps.running import running
from ketbase.steps.types import JobCircuit
from ketbase.version import VERSION


class OptimizeSteps:
    """Search for a better circuit, keep it as a circuit, and complete the job."""

    def __init__(
        self,
        jobs: JobStore,
        files: JobFiles,
        blobs: Blobs,
        circuits: CircuitStore,
        provider: QuantumProvider,
        backends: Backends,
        meter: Meter,
        ceiling: Ceiling,
        doorbell: Doorbell,
        clock: Clock,
    ):
        self._jobs = jobs
        self._files = files
        self._blobs = blobs
        self._circuits = circuits
        self._provider = provider
        self._backends = backends
        self._meter = meter
        self._ceiling = ceiling
        self._doorbell = doorbell
        self._clock = clock

    def search(self, reference: JobReference) -> None:
        """Find a better circuit for the backend, or find it again among those that were found before.

        Raises:
            JobOverError: the job runs no more.
            StepFailedError: the circuit cannot run on this backend.
            UnavailableError: the provider does not say what the backend is like now.
        """
        job, used = running(self._jobs, reference), self._meter.start()
        config = OptimizeConfig.model_validate(job.config)
        backend = self._backends.info(config.target_backend)
        circuit = self._files.circuit(reference)
        optimized, cached = self._optimized(job, circuit, config, backend)
        self._keep(job, circuit, config, optimized)
        result = _result(job, circuit, config, optimized, cached=cached)
        self._files.keep(reference, "result.json", result)
        saved = f"{result.baseline.two_qubit_gates} two-qubit gates became {result.optimized.two_qubit_gates}"
        data = {"optimized_circuit_id": config.optimized_circuit_id, "verified": result.verified}
        if (
            self._jobs.complete(job, f"Completed: {saved}, {result.verification.status}", data, used.charge())
            is None
        ):
            raise JobOverError(job.id)
        self._doorbell.ring(f"{job.id} completed")

    def _optimized(
        self, job: Job, circuit: JobCircuit, config: OptimizeConfig, backend: BackendInfo
    ) -> tuple[Optimized, bool]:
        with refusals():
            calibrated_at = self._provider.calibrated_at(backend)
        key = _key(job.organization_id, circuit, config, backend.id, str(calibrated_at))
        with suppress(BlobNotFoundError):
            return Optimized.model_validate_json(self._blobs.get(key)), True
        try:
            longest = optimizing_s(config.effort)
            with (
                refusals(),
                self._ceiling.over(job, "optimizing", longest_s=longest, later=self._meter.per_step),
            ):
                optimized = self._provider.optimize(
                    circuit.definition,
                    backend=backend,
                    level=config.optimization_level,
                    effort_s=config.effort,
                    seed=config.seed,
                )
        except CeilingReachedError as problem:
            raise StepFailedError.of(ceiling_reached(job)) from problem
        self._blobs.put(key, optimized.model_dump_json().encode(), content_type="application/json")
        return optimized, False

    def _keep(self, job: Job, circuit: JobCircuit, config: OptimizeConfig, optimized: Optimized) -> None:
        """Keep the circuit that was found; a repeated step finds it there."""
        now, definition = self._clock.now(), optimized.definition
        original = circuit.circuit_id if circuit.placement is None else circuit.placement.original
        kept = Circuit(
            id=config.optimized_circuit_id,
            user_id=job.user_id,
            name=config.name,
            description=f"{circuit.circuit_id}, optimised for {config.target_backend}",
            n_qubits=definition.n_qubits,
            depth=definition.depth,
            gate_count=definition.gate_count,
            source_format="gates",
            features=definition.features,
            metadata=Metadata(tags=("optimized",)),
            placement=Placement(backend=config.target_backend, qubits=optimized.placement, original=original),
            created_at=now,
            updated_at=now,
            circuit_definition=definition,
        )
        told = system_line(self._clock, job.organization_id, "circuit.created", kept.id, job_id=job.id)
        with suppress(ConditionFailedError):
            self._circuits.add(job.organization_id, kept, told)


def _key(organization_id: str, circuit: JobCircuit, config: OptimizeConfig, backend: str, calibration: str) -> str:
    """Name what was found by all that it depends on: the circuit, the backend as it is, the options, the code."""
    asked = config.model_dump(mode="json", include=set(OptimizeOptions.model_fields))
    given = [circuit.definition.model_dump(mode="json"), backend, calibration, asked, VERSION]
    text = json.dumps(given, sort_keys=True)
    return f"compiled/{organization_id}/{hashlib.sha256(text.encode()).hexdigest()}.json"


def _result(
    job: Job, circuit: JobCircuit, config: OptimizeConfig, found: Optimized, *, cached: bool
) -> OptimizeResult:
    return OptimizeResult(
        job_id=job.id,
        circuit_id=circuit.circuit_id,
        optimized_circuit_id=config.optimized_circuit_id,
        target_backend=config.target_backend,
        original_depth=found.original.depth,
        optimized_depth=found.optimized.depth,
        gate_reduction=reduction(gates(found.baseline), gates(found.optimized)),
        two_qubit_reduction=reduction(found.baseline.two_qubit_gates, found.optimized.two_qubit_gates),
        verified=found.verification.status == "equivalent",
        cached=cached,
        options=config,
        **{name: getattr(found, name) for name in _COPIED},
    )


_COPIED = (
    "verification",
    "original",
    "baseline",
    "optimized",
    "placement",
    "candidate",
    "candidates",
    "calibrated_at",
    "seconds",
    "sdk",
)
