"""Holds a step to what its job may still cost: the process ends when the money is used up.

A simulator does not let go of the interpreter, so that nothing but a signal ends it. Before a step begins, the job
says since when and how long it may go on, so that whoever ends the job later knows what the step used.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from ketbase.costs.meter import Meter
from ketbase.errors import UnavailableError
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Abandoned, Hold, Job, JobError
from ketbase.money import Money
from ketbase.ports.clock import Clock

type Alarm = Callable[[float], AbstractContextManager[None]]

LEAST_S = 0.1
"""A step that may not even take this long, in seconds, does not begin."""
ENDED_BY_ALARM = f"signal: {signal.strsignal(signal.SIGALRM)}".lower()
"""What Lambda says of a process that the alarm ended."""


class JobOverError(Exception):
    """The job was cancelled or finished elsewhere: this workflow has nothing left to do."""


class CeilingReachedError(Exception):
    """The job has used up what was reserved for it."""


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

    def __init__(
        self, jobs: JobStore, meter: Meter, clock: Clock, alarm: Alarm = process_alarm, *, stoppable: bool = False
    ):
        """Wire a ceiling.

        Args:
            jobs: the jobs.
            meter: of the time of this process.
            clock: the time.
            alarm: what ends this process.
            stoppable: whether this process ends with the workflow.
        """
        self._stoppable = stoppable
        self._jobs = jobs
        self._meter = meter
        self._clock = clock
        self._alarm = alarm

    @contextmanager
    def over(self, job: Job, step: str, *, longest_s: float, later: Money) -> Iterator[float]:
        """Let a block take as long as the job's reservation allows.

        A block that finds its provider away ends for nothing, however often that happens: the workflow waits, and
        comes again.

        Args:
            job: running.
            step: what the block does, such as `executing`.
            longest_s: the block never takes longer than this, in seconds.
            later: what the job needs for what comes after.

        Yields:
            For how many seconds it may go on.

        Raises:
            CeilingReachedError: before the block, where nothing is left.
            JobOverError: before the block, where the job runs no more.
        """
        left = job.reserved_cost - job.cost_so_far
        if job.hold is not None:  # an earlier try of this step died
            left -= job.abandoned(Abandoned.DIED, self._clock.now()).amount
        seconds = min(longest_s, self._meter.seconds_for(left - later))
        if seconds < LEAST_S:
            raise CeilingReachedError(job.id)
        cost = self._meter.charge(seconds).amount
        hold = Hold(
            step=step,
            since=self._clock.now(),
            seconds=seconds,
            cost=cost,
            least=self._meter.least,
            stoppable=self._stoppable,
        )
        progress = job.progress.model_copy(update={"step": step})
        if self._jobs.hold(job, hold, progress) is None:
            raise JobOverError(job.id)
        with self._alarm(seconds):
            try:
                yield seconds
            except UnavailableError as problem:
                self._jobs.report(job, f"{job.kind}.waits", f"Waits to go on: {problem.message}", job.progress)
                raise


def ceiling_reached(job: Job) -> JobError:
    """Say that a job was ended because of its cost."""
    return JobError(
        code="COST_CEILING_REACHED",
        message=f"The job reached the ${job.reserved_cost} that it may cost; a higher budget_limit lets it go on "
        "for longer.",
        details={"reserved_cost": str(job.reserved_cost), "estimated_cost": str(job.estimated_cost)},
    )
