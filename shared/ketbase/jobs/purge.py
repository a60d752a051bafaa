"""Forgets jobs that ended long ago: their records, with their events; results go by the blobs' own age."""

from collections.abc import Iterator
from datetime import timedelta

from ketbase.jobs import layout
from ketbase.jobs.types import Job, JobStatus
from ketbase.ports.clock import Clock
from ketbase.ports.records import (
    MAX_WRITES,
    ConditionFailedError,
    Delete,
    Equals,
    Index,
    Records,
    Update,
    walk,
)
from ketbase.types import Model


class Purged(Model):
    """What one call forgot."""

    jobs: int = 0


class JobPurge:
    """Takes ended jobs away and out of the tallies, one transaction a job.

    Items that expire by themselves would leave the tallies behind, and the totals of all lists with them.
    """

    def __init__(self, records: Records, clock: Clock, *, keep: timedelta):
        """Wire it; a job is kept for `keep` from its end on."""
        self._records = records
        self._clock = clock
        self._keep = keep

    def purge(self, seconds: float) -> Purged:
        """Forget what is due, for so long at most; the next call goes on."""
        until = self._clock.now() + timedelta(seconds=seconds)
        jobs = 0
        for job in self._due():
            if self._clock.now() >= until:
                break
            jobs += self._forget(job)
        return Purged(jobs=jobs)

    def _due(self) -> Iterator[Job]:
        before = self._clock.now() - self._keep
        for tally in walk(self._records, layout.TALLIES):
            for status in (status for status in JobStatus if status.final and tally.values.get(status)):
                for item in walk(self._records, layout.listing(tally.key.sort, status), index=Index.LISTING):
                    job = Job.model_validate(item.values)
                    if job.created_at >= before:
                        # They lie in order of submission, and none ends before it was submitted.
                        break
                    if (job.completed_at or job.updated_at) < before:
                        yield job

    def _forget(self, job: Job) -> bool:
        # The events first: a purge that is killed here finds the job again.
        while events := self._records.query(layout.events(job.id), limit=MAX_WRITES).items:
            self._records.write(*(Delete(event.key) for event in events))
        try:
            self._records.write(
                Delete(layout.place(job.organization_id, job.id), (Equals("status", job.status),)),
                Update(layout.tally(job.organization_id), add={job.status: -1}),
            )
        except ConditionFailedError:
            # Another purge was quicker.
            return False
        return True
