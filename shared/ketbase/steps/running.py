"""The job that a step works for, as long as it runs."""

from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobReference, JobStatus
from ketbase.steps.ceiling import JobOverError


def running(jobs: JobStore, reference: JobReference) -> Job:
    """Read a job; one that is at its provider runs, whether that says so or not.

    Raises:
        JobOverError: it was cancelled or finished elsewhere.
    """
    job = jobs.get(reference.organization_id, reference.job_id)
    unknown = job is not None and job.remote is not None and job.status is JobStatus.UNKNOWN
    if job is None or not (unknown or job.status is JobStatus.RUNNING):
        raise JobOverError(reference.job_id)
    return job
