"""The job that a step works for, as long as it runs."""

from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobReference, JobStatus
from ketbase.steps.ceiling import JobOverError


def running(jobs: JobStore, reference: JobReference) -> Job:
    """Read a job.

    Raises:
        JobOverError: it was cancelled or finished elsewhere.
    """
    job = jobs.get(reference.organization_id, reference.job_id)
    if job is None or job.status is not JobStatus.RUNNING:
        raise JobOverError(reference.job_id)
    return job
