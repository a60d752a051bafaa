"""The steps that end a run: write its result, or fail it."""

from datetime import datetime

from ketbase.backends.calibrations import CalibrationHistory, id_of
from ketbase.backends.service import Backends
from ketbase.backends.types import Calibration
from ketbase.costs.meter import Meter
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobReference
from ketbase.ports.doorbell import Doorbell
from ketbase.run.choosing import Choice
from ketbase.run.configs import config_of
from ketbase.run.types import CompiledView, Provenance, RunResult
from ketbase.steps.ceiling import JobOverError
from ketbase.steps.failing import Failing
from ketbase.steps.failures import told
from ketbase.steps.files import JobFiles
from ketbase.steps.running import running
from ketbase.steps.types import StepFailure


class FinalSteps:
    """Collect and fail."""

    def __init__(
        self,
        jobs: JobStore,
        files: JobFiles,
        backends: Backends,
        calibrations: CalibrationHistory,
        doorbell: Doorbell,
        meter: Meter,
        failing: Failing,
    ):
        self._jobs = jobs
        self._files = files
        self._backends = backends
        self._calibrations = calibrations
        self._doorbell = doorbell
        self._meter = meter
        self._failing = failing

    def collect(self, reference: JobReference) -> None:
        """Write the result with its provenance, then complete the job.

        Raises:
            JobOverError: the job runs no more.
        """
        job, used = running(self._jobs, reference), self._meter.start()
        result = self._result(job)
        self._files.keep(reference, "result.json", result)
        completed = self._jobs.complete(job, _completed(result), {"shots": result.shots}, used.charge())
        if completed is None:
            raise JobOverError(job.id)
        self._backends.count(completed, circuits=result.circuits, seconds=result.provenance.execution_seconds)
        self._doorbell.ring(f"{job.id} completed")

    def fail(self, reference: JobReference, failure: StepFailure) -> None:
        """Fail the job with what the failed step said, unless it is over already."""
        failed = self._failing.fail(reference, told(failure, self._files, reference))
        if failed is not None:
            self._backends.count(failed, circuits=0, seconds=0.0)

    def _result(self, job: Job) -> RunResult:
        reference, config = job.reference, config_of(job, self._files)
        circuit = self._files.circuit(reference)
        compiled = self._files.compiled(reference)
        outcome = self._files.outcome(reference)
        counted = () if config.observables else tuple(map(_by_frequency, outcome.counts))
        text = self._files.choice(reference) if config.choosing is not None else None
        choice = None if text is None else Choice.model_validate_json(text)
        calibration, calibration_id = self._calibration(compiled.backend, outcome.started_at)
        provenance = Provenance(
            circuit_id=circuit.circuit_id,
            circuit=circuit.definition,
            source_qasm=circuit.source_qasm,
            compiled=CompiledView(**compiled.model_dump(include=set(CompiledView.model_fields))),
            backend=compiled.backend,
            calibration=calibration,
            calibration_id=calibration_id,
            options=config,
            method=outcome.method,
            sdk={**compiled.sdk, **outcome.sdk},
            execution_seconds=outcome.seconds,
            started_at=outcome.started_at,
            ended_at=outcome.ended_at,
            remote=job.remote,
            choice=choice,
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

    def _calibration(self, backend_id: str, moment: datetime) -> tuple[Calibration | None, str | None]:
        """Find the calibration in force at a moment: a snapshot's is always the same, a machine's changes."""
        info = self._backends.info(backend_id)
        if not info.is_remote:
            known = info.calibration
            return known, None if known is None else id_of(known.taken_at)
        kept = self._calibrations.in_force(backend_id, moment)
        return (info.calibration, None) if kept is None else (kept.medians, kept.id)


def _completed(result: RunResult) -> str:
    if result.expectation_values:
        return f"Completed: {len(result.expectation_values)} expectation values from {result.circuits} circuits"
    return f"Completed: {result.shots} shots, {len(result.counts)} distinct outcomes"


def _by_frequency(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
