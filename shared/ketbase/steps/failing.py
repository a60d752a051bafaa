"""The step that ends a job which failed, in every pipeline."""

from ketbase.costs.meter import Meter
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Abandoned, Job, JobReference
from ketbase.ports.doorbell import Doorbell
from ketbase.steps.ceiling import JobOverError, ceiling_reached
from ketbase.steps.failures import ended_at_ceiling, error_of
from ketbase.steps.types import StepFailure


class Failing:
    """Writes what went wrong into the job."""

    def __init__(self, jobs: JobStore, doorbell: Doorbell, meter: Meter):
        self._jobs = jobs
        self._doorbell = doorbell
        self._meter = meter

    def fail(self, reference: JobReference, failure: StepFailure) -> Job | None:
        """Fail a job with what its step said; `None` where it is over already.

        A step that has nothing left to do fails nothing: where the job goes on after all, the sweeper sees to it.
        """
        job = self._jobs.get(reference.organization_id, reference.job_id)
        if job is None or job.status.final or failure.Error == JobOverError.__name__:
            return None
        at_ceiling = ended_at_ceiling(failure)
        failed = self._jobs.fail(
            job,
            ceiling_reached(job) if at_ceiling else error_of(failure),
            self._meter.charge(0.0),
            Abandoned.WHOLE if at_ceiling else Abandoned.STOPPED,
        )
        if failed is not None:
            self._doorbell.ring(f"{job.id} failed")
        return failed
