"""The steps of a run at a provider: hand it over, fetch what came of it, or take it back.

Between handing over and fetching the workflow waits on a task token, which `ketbase.providers.poller` answers. The
job says that it is about to be handed over before it is, so that whoever repeats the step looks for it first.
"""

import logging
from collections.abc import Callable
from typing import NoReturn

from ketbase.backends.remote import RemoteStatus
from ketbase.backends.service import Backends
from ketbase.backends.types import Engine
from ketbase.costs.meter import Meter
from ketbase.costs.prices import Prices
from ketbase.errors import KetbaseError, UnavailableError
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobError, JobReference, Progress, Remote
from ketbase.ledger.types import Charge
from ketbase.money import Money
from ketbase.ports.clock import Clock
from ketbase.ports.doorbell import Doorbell
from ketbase.ports.quantum import QuantumProvider
from ketbase.providers.breaker import Breakers
from ketbase.run.compute import EXECUTED
from ketbase.run.configs import config_of
from ketbase.steps.ceiling import JobOverError
from ketbase.steps.failures import StepFailedError, refusals
from ketbase.steps.files import JobFiles
from ketbase.steps.running import running

_LOG = logging.getLogger(__name__)


class HandoverSteps:
    """Submit, fetch and withdraw."""

    def __init__(
        self,
        jobs: JobStore,
        files: JobFiles,
        provider: QuantumProvider,
        backends: Backends,
        breakers: Breakers,
        prices: Prices,
        meter: Meter,
        doorbell: Doorbell,
        clock: Clock,
    ):
        self._jobs = jobs
        self._files = files
        self._provider = provider
        self._backends = backends
        self._breakers = breakers
        self._prices = prices
        self._meter = meter
        self._doorbell = doorbell
        self._clock = clock

    def submit(self, reference: JobReference, token: str) -> None:
        """Hand the compiled circuits in at the provider, once for the job however often this is repeated.

        Where the job was cancelled before anybody knows whether it arrived, it is looked for and not handed in.

        Args:
            reference: of the job.
            token: by which the workflow goes on when the provider is done.

        Raises:
            JobOverError: the job runs no more.
            StepFailedError: the provider refused it.
            UnavailableError: nobody knows whether it arrived; doing this again finds out.
        """
        job, used = running(self._jobs, reference), self._meter.start()
        self._jobs.keep_token(job, token)
        if job.remote is not None and job.remote.id is not None:
            return  # it is there, and the poller answers the newest token
        config = config_of(job, self._files)
        backend = self._backends.info(config.backend)
        compiled = self._files.compiled(reference)
        again = job.remote is not None
        if job.remote is None:
            circuits = len(compiled.variants)
            price = self._prices.backend(backend, circuits, circuits * config.shots) or Money()
            remote = Remote(engine=backend.engine, price=price, handed_over_at=self._clock.now())
            handed = self._jobs.hand_over(job, remote)
            if handed is None:
                self._overtaken(reference, backend.engine)
                return
            job = handed
        if job.cancel_requested_at is not None:
            remote_id = self._ask(backend.engine, lambda: self._provider.find(backend, job.id))
            if remote_id is None:
                self._cancel(job, used.charge())
        else:
            remote_id = self._ask(
                backend.engine,
                lambda: self._provider.submit(
                    compiled,
                    backend=backend,
                    experiment=config.experiment,
                    shots=config.shots,
                    seed=config.seed,
                    noise=config.noise,
                    tag=job.id,
                    again=again,
                ),
            )
        assert job.remote is not None  # noqa: S101 (for the type checker)
        remote = job.remote.model_copy(update={"id": remote_id, "raw_status": "handed over"})
        if self._jobs.observe(job, remote, used.charge()) is None:
            self._overtaken(reference, backend.engine, remote_id)

    def fetch(self, reference: JobReference) -> None:
        """Bring what came of the job from its provider, and keep all of it.

        Raises:
            JobOverError: the job runs no more; also where the provider stopped it because it was cancelled.
            StepFailedError: it failed there, or was stopped there by somebody else.
            UnavailableError: the provider does not answer.
        """
        job, used = running(self._jobs, reference), self._meter.start()
        if job.progress.step == EXECUTED:
            return  # an earlier try did all of this, and charged it
        remote = job.remote
        if remote is None or remote.id is None:
            raise StepFailedError.of(JobError(code="INTERNAL", message="The job is not at a provider."))
        if not remote.status.final:
            raise _away(f"{remote.engine} is not done with the job after all.", remote.engine)
        if remote.status is RemoteStatus.CANCELLED:
            self._end_cancelled(job, remote)
        if remote.status is RemoteStatus.FAILED:
            raise StepFailedError.of(_failed(remote))
        config = config_of(job, self._files)
        backend, remote_id = self._backends.info(config.backend), remote.id
        compiled = self._files.compiled(reference)
        came = self._ask(
            remote.engine,
            lambda: self._provider.fetch(
                remote_id, compiled, backend=backend, experiment=config.experiment, shots=config.shots
            ),
        )
        self._files.keep(reference, "provider.json", came)
        self._files.keep(reference, "outcome.json", came.outcome)
        circuits = len(compiled.variants)
        billed = remote.price if came.billed is None else came.billed
        self._jobs.report(
            job,
            "run.fetched",
            f"{came.outcome.shots} shots, {came.outcome.seconds:.3f} s on {came.outcome.method}",
            Progress(percentage=90, step=EXECUTED),
            used.charge(circuits=circuits, shots=circuits * came.outcome.shots, provider=billed),
            remote.model_copy(update={"billed": True}),
            method=came.outcome.method,
            seconds=came.outcome.seconds,
        )

    def withdraw(self, reference: JobReference) -> None:
        """Let the provider stop what it may have of a job that failed here; what goes wrong is only logged.

        What nobody knew to be there is looked at first: where it began, the job pays for it.
        """
        job = self._jobs.get(reference.organization_id, reference.job_id)
        if job is None or job.remote is None or job.remote.status.final:
            return
        engine, remote_id = job.remote.engine, job.remote.id
        try:
            if remote_id is None:
                remote_id = self._provider.find(self._backends.info(job.backend), job.id)
                if remote_id is None:
                    return
                found = job.remote.model_copy(update={"id": remote_id})
                state = self._provider.states(engine, [remote_id]).get(remote_id)
                self._jobs.observe(job, found if state is None else found.seen(state))
            self._provider.cancel(engine, remote_id)
        except Exception:  # noqa: BLE001 (the job fails either way)
            _LOG.exception("%s could not be withdrawn from %s", job.id, engine)

    def _ask[T](self, engine: Engine, ask: Callable[[], T]) -> T:
        with refusals():
            return self._breakers.call(engine, ask)

    def _overtaken(self, reference: JobReference, engine: Engine, remote_id: str | None = None) -> None:
        """Go by what another try of this step noted meanwhile; what was handed in without need is stopped."""
        job = self._jobs.get(reference.organization_id, reference.job_id)
        noted = None if job is None or job.remote is None else job.remote.id
        needed = job is not None and not job.status.final and noted in (None, remote_id)
        if remote_id is not None and not needed:
            self._stop(engine, remote_id)
        running(self._jobs, reference)
        if noted is None:
            raise _away("An earlier try of this step is handing the job over.", engine)

    def _stop(self, engine: Engine, remote_id: str) -> None:
        try:
            self._provider.cancel(engine, remote_id)
        except KetbaseError:
            _LOG.exception("%s could not be stopped at %s", remote_id, engine)

    def _end_cancelled(self, job: Job, remote: Remote) -> None:
        if job.cancel_requested_at is None:
            message = f"Somebody stopped the job at {remote.engine}, and not through Ketbase."
            raise StepFailedError.of(JobError(code="CANCELLED_AT_PROVIDER", message=message))
        self._cancel(job)

    def _cancel(self, job: Job, charge: Charge | None = None) -> NoReturn:
        if self._jobs.cancel(job, charge=charge) is not None:
            self._doorbell.ring(f"{job.id} was cancelled")
        raise JobOverError(job.id)


def _away(message: str, engine: Engine) -> UnavailableError:
    return UnavailableError("PROVIDER_UNAVAILABLE", message, engine=engine)


def _failed(remote: Remote) -> JobError:
    return JobError(
        code="PROVIDER_JOB_FAILED",
        message=f"{remote.engine} failed the job: {remote.message or 'it does not say why'}.",
        details={"remote_id": remote.id, "raw_status": remote.raw_status},
    )
