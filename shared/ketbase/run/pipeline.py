"""The steps of a run's workflow; each may be repeated, and each stops where the job runs no more."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from ketbase.backends.service import Backends
from ketbase.backends.types import CompiledCircuit, Outcome
from ketbase.costs.meter import Meter
from ketbase.costs.prices import Prices
from ketbase.costs.quotes import COMPILE_S, EXECUTE_S
from ketbase.errors import KetbaseError
from ketbase.jobs.layout import blob_key
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Abandoned, Job, JobError, JobReference, JobStatus, Progress
from ketbase.money import Money
from ketbase.ports.blobs import Blobs
from ketbase.ports.doorbell import Doorbell
from ketbase.ports.quantum import QuantumProvider
from ketbase.run.ceiling import ENDED_BY_ALARM, Ceiling, CeilingReachedError, JobOverError, ceiling_reached
from ketbase.run.types import CompiledView, JobCircuit, Provenance, RunConfig, RunResult, StepFailure

_JSON = "application/json"
_TOO_LONG = ("States.Timeout", "Sandbox.Timedout")
"""What Step Functions calls a step that took too long, and what it calls a Lambda that did."""
_PROCESS_ENDED = "Runtime.ExitError"
"""What Lambda calls a process that a signal ended, such as the alarm of the ceiling, or want of memory."""


class StepFailedError(Exception):
    """A step failed in a way that trying again will not mend; its text is a `JobError` as JSON."""


class ComputeSteps:
    """The steps that need the quantum room: compile and execute."""

    def __init__(
        self,
        jobs: JobStore,
        blobs: Blobs,
        provider: QuantumProvider,
        backends: Backends,
        prices: Prices,
        meter: Meter,
        ceiling: Ceiling,
    ):
        self._jobs = jobs
        self._blobs = blobs
        self._provider = provider
        self._backends = backends
        self._prices = prices
        self._meter = meter
        self._ceiling = ceiling

    def compile(self, reference: JobReference) -> None:
        """Bind and compile the job's circuit, and keep the compiled form.

        Raises:
            JobOverError: the job runs no more.
            StepFailedError: the circuit cannot run on this backend.
        """
        job, used = _running(self._jobs, reference), self._meter.start()
        config = RunConfig.model_validate(job.config)
        circuit = JobCircuit.model_validate_json(self._blobs.get(blob_key(reference, "circuit.json")))
        later = self._provider_price(config) + self._meter.per_step * 2
        with self._held(job, "compiling", COMPILE_S, later):
            compiled = self._provider.compile(
                circuit.definition,
                backend=self._backends.info(config.backend),
                experiment=config.experiment,
                seed=config.seed,
                optimization_level=config.optimization_level,
            )
        self._put(reference, "compiled.json", compiled.model_dump_json())
        two_qubit = sum(n for gate, n in compiled.gate_counts.items() if gate in ("cz", "ecr", "cx"))
        self._jobs.report(
            job,
            "run.compiled",
            f"Compiled for {config.backend}: depth {compiled.depth}, {two_qubit} two-qubit gates, "
            f"{len(compiled.physical_qubits)} qubits in use",
            Progress(percentage=30, step="compiled"),
            used.charge(),
            physical_qubits=list(compiled.physical_qubits),
        )

    def execute(self, reference: JobReference) -> None:
        """Execute the compiled circuit, and keep the outcome.

        Raises:
            JobOverError: the job runs no more.
            StepFailedError: the simulator refused the circuit.
        """
        job, used = _running(self._jobs, reference), self._meter.start()
        config = RunConfig.model_validate(job.config)
        compiled = CompiledCircuit.model_validate_json(self._blobs.get(blob_key(reference, "compiled.json")))
        price = self._provider_price(config)
        with self._held(job, "executing", EXECUTE_S, price + self._meter.per_step):
            outcome = self._provider.execute(
                compiled,
                backend=self._backends.info(config.backend),
                experiment=config.experiment,
                shots=config.shots,
                seed=config.seed,
                noise=config.noise,
            )
        self._put(reference, "outcome.json", outcome.model_dump_json())
        self._jobs.report(
            job,
            "run.executed",
            f"{outcome.shots} shots in {outcome.seconds:.3f} s ({outcome.method})",
            Progress(percentage=90, step="executed"),
            used.charge(circuits=1, shots=outcome.shots, provider=price),
            method=outcome.method,
            seconds=outcome.seconds,
        )

    @contextmanager
    def _held(self, job: Job, step: str, longest_s: float, later: Money) -> Iterator[None]:
        """Hold a block to the job's ceiling, and turn what it refuses into the step's failure."""
        try:
            with self._ceiling.over(job, step, longest_s=longest_s, later=later):
                yield
        except KetbaseError as problem:
            raise _step_failed(problem) from problem
        except CeilingReachedError as problem:
            raise StepFailedError(ceiling_reached(job).model_dump_json()) from problem

    def _provider_price(self, config: RunConfig) -> Money:
        """Say what the provider asks; nothing is known of one that the user let in without a price."""
        return self._prices.backend(self._backends.info(config.backend), 1, config.shots) or Money()

    def _put(self, reference: JobReference, name: str, text: str) -> None:
        self._blobs.put(blob_key(reference, name), text.encode(), content_type=_JSON)


class FinalSteps:
    """The steps that end a job: collect and fail."""

    def __init__(self, jobs: JobStore, blobs: Blobs, backends: Backends, doorbell: Doorbell, meter: Meter):
        self._meter = meter
        self._jobs = jobs
        self._blobs = blobs
        self._backends = backends
        self._doorbell = doorbell

    def collect(self, reference: JobReference) -> None:
        """Write the result with its provenance, then complete the job.

        Raises:
            JobOverError: the job runs no more.
        """
        job, used = _running(self._jobs, reference), self._meter.start()
        result = self._result(job)
        self._blobs.put(blob_key(reference, "result.json"), result.model_dump_json().encode(), content_type=_JSON)
        seconds = result.provenance.execution_seconds
        completed = self._jobs.complete(
            job,
            f"Completed: {result.shots} shots, {len(result.counts)} distinct outcomes",
            {"shots": result.shots},
            used.charge(),
        )
        if completed is None:
            raise JobOverError(job.id)
        self._backends.count(completed, circuits=1, seconds=seconds)
        self._doorbell.ring(f"{job.id} completed")

    def fail(self, reference: JobReference, failure: StepFailure) -> None:
        """Fail the job with what the failed step said, unless it is over already."""
        job = self._jobs.get(reference.organization_id, reference.job_id)
        if job is None or job.status is not JobStatus.RUNNING:
            return
        at_ceiling = failure.Error == _PROCESS_ENDED and ENDED_BY_ALARM in str(failure.Cause).lower()
        failed = self._jobs.fail(
            job,
            ceiling_reached(job) if at_ceiling else _error(failure),
            self._meter.charge(0.0),
            Abandoned.WHOLE if at_ceiling else Abandoned.STOPPED,
        )
        if failed is not None:
            self._backends.count(failed, circuits=0, seconds=0.0)
            self._doorbell.ring(f"{job.id} failed")

    def _result(self, job: Job) -> RunResult:
        reference = job.reference
        circuit = JobCircuit.model_validate_json(self._blobs.get(blob_key(reference, "circuit.json")))
        compiled = CompiledCircuit.model_validate_json(self._blobs.get(blob_key(reference, "compiled.json")))
        outcome = Outcome.model_validate_json(self._blobs.get(blob_key(reference, "outcome.json")))
        config = RunConfig.model_validate(job.config)
        counted = () if config.observables else tuple(map(_by_frequency, outcome.counts))
        provenance = Provenance(
            circuit_id=circuit.circuit_id,
            circuit=circuit.definition,
            source_qasm=circuit.source_qasm,
            compiled=CompiledView(**compiled.model_dump(include=set(CompiledView.model_fields))),
            backend=compiled.backend,
            calibration=self._backends.info(compiled.backend).calibration,
            options=config,
            method=outcome.method,
            sdk={**compiled.sdk, **outcome.sdk},
            execution_seconds=outcome.seconds,
            started_at=outcome.started_at,
            ended_at=outcome.ended_at,
        )
        return RunResult(
            job_id=job.id,
            counts=counted[0] if counted else {},
            sweep=counted if config.sweep else (),
            expectation_values=outcome.expectations,
            shots=outcome.shots,
            circuits=len(compiled.variants),
            registers=compiled.registers,
            provenance=provenance,
        )


def _by_frequency(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def _running(jobs: JobStore, reference: JobReference) -> Job:
    job = jobs.get(reference.organization_id, reference.job_id)
    if job is None or job.status is not JobStatus.RUNNING:
        raise JobOverError(reference.job_id)
    return job


def _step_failed(problem: KetbaseError) -> StepFailedError:
    error = JobError(code=problem.code, message=problem.message, details=dict(problem.details))
    return StepFailedError(error.model_dump_json())


def _error(failure: StepFailure) -> JobError:
    """Turn what the workflow engine caught into the job's error.

    For a Lambda that raised, `Cause` is JSON with `errorType` and `errorMessage`; ours carries a `JobError`.
    """
    try:
        cause = json.loads(failure.Cause) if isinstance(failure.Cause, str) else failure.Cause
        if cause.get("errorType") == StepFailedError.__name__:
            return JobError.model_validate_json(cause["errorMessage"])
    except (ValueError, AttributeError, KeyError):
        cause = failure.Cause
    if failure.Error in _TOO_LONG:
        return JobError(code="JOB_TIMED_OUT", message="The run took longer than a step may take.")
    if failure.Error == _PROCESS_ENDED:
        return JobError(code="PROCESS_ENDED", message="The process that ran it ended, perhaps for want of memory.")
    return JobError(code="INTERNAL", message="The run failed inside Ketbase.", details={"error": failure.Error})
