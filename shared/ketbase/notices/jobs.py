"""What users are told when their jobs end."""

from typing import Final

from ketbase.accounts.types import Organization, ToldOf, User
from ketbase.jobs.types import Job, JobStatus
from ketbase.notices.outbox import notice
from ketbase.ports.clock import Clock
from ketbase.ports.records import Put

_TOLD: Final[dict[ToldOf, tuple[JobStatus, ...]]] = {
    "none": (),
    "failed": (JobStatus.FAILED,),
    "all": (JobStatus.COMPLETED, JobStatus.FAILED),
}


def notices_of(clock: Clock, job: Job, user: User, organization: Organization) -> list[Put]:
    """Make the writes that tell a user, in each way they want, of a job of theirs that ended.

    Who cancelled a job knows it.
    """
    wanted = user.preferences.notifications
    if job.status not in _TOLD[wanted.jobs]:
        return []
    subject = f"Job {job.id} {job.status} on {job.backend}"
    text = _text(job)
    found = []
    if wanted.email and user.email:
        found.append(notice(clock, organization.id, "email", user.email, subject, text, about=job.id))
    webhook = organization.settings.slack_webhook
    if wanted.slack and webhook:
        told = f"{text}\nSubmitted by {user.name}."
        found.append(notice(clock, organization.id, "slack", webhook, subject, told, about=job.id))
    return found


def _text(job: Job) -> str:
    cost = f"It cost ${job.actual_cost} of the ${job.reserved_cost} that were set aside."
    if job.error is not None:
        return f"{job.error.code}: {job.error.message}\n{cost}\nGET /v1/jobs/{job.id}/logs tells more."
    return f"{cost}\nIts result: GET /v1/jobs/{job.id}/result"
