"""Holds a step to what its job may still cost: the process ends when the money is used up.

A simulator does not let go of the interpreter, so that nothing but a signal ends it. Before a step begins, the job
says since when and how long it may go on; whoever tries the step again after its process ended sees by that whether
it was the ceiling.
"""

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

from ketbase.costs.meter import Meter
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Hold, Job, JobError, Progress
from ketbase.ledger.types import Charge
from ketbase.money import Money
from ketbase.ports.clock import Clock

type Alarm = Callable[[float], AbstractContextManager[None]]

LEAST_S = 0.1
"""A step that may not even take this long, in seconds, does not begin."""


class CeilingReachedError(Exception):
    """The job has used up what was reserved for it.

    Attributes:
        error: what the job fails with.
        charge: what the step used that was not charged yet.
    """

    def __init__(self, error: JobError, charge: Charge):
        super().__init__(error.message)
        self.error = error
        self.charge = charge


@contextmanager
def process_alarm(seconds: float) -> Iterator[None]:
    """End this process, whatever it does, when a block takes longer."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class Ceiling:
    """What a job may still use, as time."""

    def __init__(self, jobs: JobStore, meter: Meter, clock: Clock, alarm: Alarm = process_alarm):
        self._jobs = jobs
        self._meter = meter
        self._clock = clock
        self._alarm = alarm

    @contextmanager
    def over(self, job: Job, step: str, *, longest_s: float, later: Money) -> Iterator[None]:
        """Let a block take as long as the job's reservation allows.

        Args:
            job: running.
            step: what the block does, such as `executing`.
            longest_s: the block never takes longer than this, in seconds.
            later: what the job needs for what comes after.

        Raises:
            CeilingReachedError: before the block, where an earlier try used all there was, or nothing is left.
        """
        now = self._clock.now()
        held = job.hold
        if held is not None and held.step == step and now - held.since >= timedelta(seconds=held.seconds):
            raise CeilingReachedError(_error(job), self._meter.charge(held.seconds))
        seconds = min(longest_s, self._meter.seconds_for(job.reserved_cost - job.cost_so_far - later))
        if seconds < LEAST_S:
            raise CeilingReachedError(_error(job), Charge())
        self._jobs.hold(
            job,
            Hold(step=step, since=now, seconds=seconds),
            Progress(percentage=job.progress.percentage, step=step),
        )
        with self._alarm(math.ceil(seconds * 1_000) / 1_000):
            yield


def _error(job: Job) -> JobError:
    return JobError(
        code="COST_CEILING_REACHED",
        message=f"The job reached the ${job.reserved_cost} that it may cost; a higher budget_limit lets it go on "
        "for longer.",
        details={"reserved_cost": str(job.reserved_cost), "estimated_cost": str(job.estimated_cost)},
    )
