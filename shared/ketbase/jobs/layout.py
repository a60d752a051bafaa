"""Where a job's items and blobs lie, and in which indexes a job stands."""

import hashlib

from ketbase.backends.types import Engine
from ketbase.jobs.types import Event, Job, JobReference, JobStatus, Priority
from ketbase.ports.records import Index, Item, Key
from ketbase.types import iso

TALLIES = "jobs#tallies"
"""The partition of the organisations' tallies: how many jobs of each are in each state."""
RUNNING = "jobs#running"
"""The partition, in the index of work, of all jobs that a workflow is at."""
RUNNING_TOTAL = Key("jobs", "running-total")
"""How many jobs of all organisations compute here."""

_RANK = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.LOW: 2}


def place(organization_id: str, job_id: str) -> Key:
    """Where a job lies; the organisation is part of it, so that no other finds it."""
    return Key(f"org#{organization_id}", f"job#{job_id}")


def item(job: Job) -> Item:
    """A job as it is kept: in its organisation's list of its state, in a queue while it waits or runs, and in its
    provider's list while it is there.
    """
    indexes = {Index.LISTING: Key(listing(job.organization_id, job.status), job.id)}
    if job.status is JobStatus.QUEUED:
        indexes[Index.WORK] = Key(queue(job.organization_id), turn(job))
        indexes[Index.BACKEND] = Key(f"backend#{job.backend}", job.id)
    elif not job.status.final and job.started_at is not None:
        indexes[Index.WORK] = Key(RUNNING, f"{iso(job.started_at)}#{job.id}")
        if job.remote is not None:
            indexes[Index.BACKEND] = Key(handed_over(job.remote.engine), job.id)
    return Item(place(job.organization_id, job.id), job.model_dump(mode="json"), indexes)


def tally(organization_id: str) -> Key:
    """Where an organisation's tally lies."""
    return Key(TALLIES, organization_id)


def listing(organization_id: str, status: JobStatus) -> str:
    """The partition, in the index of listings, of an organisation's jobs in one state."""
    return f"org#{organization_id}#jobs#{status}"


def queue(organization_id: str) -> str:
    """The partition, in the index of work, of an organisation's waiting jobs."""
    return f"org#{organization_id}#queue"


def turn(job: Job) -> str:
    """The place in the queue: by priority, then by time of submission, which the id holds."""
    return f"{_RANK[job.priority]}#{job.id}"


def handed_over(engine: Engine) -> str:
    """The partition, in the index of backends, of the jobs that are at a provider."""
    return f"remote#{engine}"


def token(job_id: str) -> Key:
    """Where the token lies by which a job's workflow goes on."""
    return Key(f"job#{job_id}", "token")


def events(job_id: str) -> str:
    """The partition of a job's events."""
    return f"job#{job_id}"


def event_item(job_id: str, event: Event) -> Item:
    """An event as it is kept, behind those before it."""
    return Item(Key(events(job_id), f"event#{event.cursor:012d}"), event.model_dump(mode="json"))


def idempotency(organization_id: str, user_id: str, key: str) -> Key:
    """Where it is kept which job a user submitted under an idempotency key."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return Key(f"org#{organization_id}", f"idempotency#{user_id}#{digest}")


def blob_key(reference: JobReference, name: str) -> str:
    """Name one of a job's blobs, such as `circuit.json`, `compiled.json` or `result.json`."""
    return f"jobs/{reference.organization_id}/{reference.job_id}/{name}"
