"""Asks a provider for all jobs that are open there at once, and lets the workflows of those go on that are done."""

import logging
import random
import time
from datetime import datetime, timedelta
from functools import partial

from ketbase.backends.remote import RemoteState, RemoteStatus
from ketbase.backends.types import Engine
from ketbase.errors import KetbaseError, UnavailableError
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobStatus, Remote
from ketbase.ports.clock import Clock
from ketbase.ports.quantum import QuantumProvider
from ketbase.ports.records import Key, Records, Update
from ketbase.ports.workflows import Workflows
from ketbase.providers.breaker import Breakers
from ketbase.providers.deadlines import within
from ketbase.types import Model, iso

_LOG = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=10)
"""A provider that has not answered for so long leaves its jobs `unknown`."""
ASK_S = 30.0
"""For so long a provider may take to say where its jobs stand, whatever its SDK would wait for."""
STOP_S = 10.0
"""For so long jobs are stopped; those that are left are stopped after the next look."""
_NOT_THERE = RemoteState(status=RemoteStatus.UNKNOWN, raw="not found")


class Poll(Model):
    """What a look at a provider's jobs found.

    Attributes:
        open: how many are there.
        changed: whose state is another one than before.
        answered: whose workflow goes on.
        silent: whether the provider gave no answer.
    """

    engine: Engine
    open: int = 0
    changed: int = 0
    answered: int = 0
    silent: bool = False


class Poller:
    """Any number may look at the same moment: a job changes once, and a token is taken once."""

    def __init__(
        self,
        jobs: JobStore,
        records: Records,
        provider: QuantumProvider,
        breakers: Breakers,
        workflows: Workflows,
        clock: Clock,
        *,
        ask_s: float = ASK_S,
        stop_s: float = STOP_S,
    ):
        self._ask_s = ask_s
        self._stop_s = stop_s
        self._jobs = jobs
        self._records = records
        self._provider = provider
        self._breakers = breakers
        self._workflows = workflows
        self._clock = clock

    def poll(self, engine: Engine) -> Poll:
        """Look at all jobs that are open at a provider once."""
        jobs = [(job, job.remote) for job in self._jobs.handed_over(engine) if job.remote and job.remote.id]
        asked = [(job, remote) for job, remote in jobs if not remote.status.final]
        changed, silent = 0, False
        if asked:
            try:
                ask = partial(self._provider.states, engine, [remote.id or "" for _, remote in asked])
                states = self._breakers.call(engine, lambda: within(self._ask_s, engine, ask))
            except UnavailableError as problem:
                _LOG.warning("%s does not say where %d jobs stand: %s", engine, len(asked), problem)
                silent, states = True, {}
            if silent:
                if self._clock.now() - self._heard(engine) > PATIENCE:
                    changed = sum(self._observe(job, remote, _SILENT) for job, remote in asked)
            else:
                self._hear(engine)
                changed = sum(
                    self._observe(job, remote, states.get(remote.id or "", _NOT_THERE)) for job, remote in asked
                )
        answered = sum(self._answer(job) for job in self._jobs.handed_over(engine))
        if not silent:
            self._stop(engine, asked)
        return Poll(engine=engine, open=len(jobs), changed=changed, answered=answered, silent=silent)

    def _observe(self, job: Job, remote: Remote, state: RemoteState) -> bool:
        """Note what the provider says, where that is another thing than before."""
        seen = remote.seen(state)
        if seen == remote and (job.status is JobStatus.UNKNOWN) == (state.status is RemoteStatus.UNKNOWN):
            return False
        return self._jobs.observe(job, seen) is not None

    def _stop(self, engine: Engine, asked: list[tuple[Job, Remote]]) -> None:
        """Have cancelled jobs stopped, in another order each time: one that hangs is not always the first."""
        cancelled = [(job.id, remote.id) for job, remote in asked if job.cancel_requested_at and remote.id]
        until = time.monotonic() + self._stop_s
        for job_id, remote_id in random.sample(cancelled, len(cancelled)):
            left_s = until - time.monotonic()
            if left_s <= 0:
                return
            try:
                within(left_s, engine, partial(self._provider.cancel, engine, remote_id))
            except KetbaseError:
                _LOG.exception("%s does not stop %s; the next look asks again", engine, job_id)

    def _answer(self, job: Job) -> bool:
        """Let the workflow of a job go on whose provider is done; one that went on already takes no notice."""
        if job.remote is None or not job.remote.status.final:
            return False
        token = self._jobs.token(job.id)
        return token is not None and self._workflows.succeed(token, job.reference.model_dump())

    def _heard(self, engine: Engine) -> datetime:
        item = self._records.get(_place(engine))
        if item is None:
            self._hear(engine)
            return self._clock.now()
        return datetime.fromisoformat(item.values["at"])

    def _hear(self, engine: Engine) -> None:
        self._records.write(Update(_place(engine), set={"at": iso(self._clock.now())}))


_SILENT = RemoteState(status=RemoteStatus.UNKNOWN, raw="no answer")


def _place(engine: Engine) -> Key:
    return Key("providers#heard", engine)
