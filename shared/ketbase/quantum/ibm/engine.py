"""IBM Quantum as an engine: hands work to the SDK's primitives, and finds, reads and stops the jobs they become.

The primitives are the client-side ones (`executor_sampler`, `executor_estimator`); the SDK has deprecated those of
the same names that ran on IBM's side.
"""

import copy
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import methodcaller
from typing import Any

from qiskit.exceptions import QiskitError
from qiskit_ibm_runtime import Batch, IBMBackend, QiskitRuntimeService, Session
from qiskit_ibm_runtime.decoders.executor.decoder import ExecutorResultDecoder
from qiskit_ibm_runtime.exceptions import IBMError
from qiskit_ibm_runtime.executor_estimator import EstimatorV2
from qiskit_ibm_runtime.executor_sampler import SamplerV2
from qiskit_ibm_runtime.utils.backend_decoder import properties_from_server_data

from ketbase.backends.experiments import ExecutionMode, ExpectationValue
from ketbase.backends.remote import Properties, RemoteState, RemoteStatus, Sighting
from ketbase.backends.types import BackendInfo
from ketbase.errors import ExecutionError
from ketbase.quantum.calibrations import properties_of
from ketbase.quantum.engines import Counts, Fetched, Work
from ketbase.quantum.ibm import estimates, samples
from ketbase.quantum.ibm.account import PAGE, Account
from ketbase.quantum.ibm.jobs import state_of, timing
from ketbase.quantum.ibm.machines import calibrated_at, is_machine, sighting
from ketbase.quantum.ibm.problems import problems, status_of, unavailable
from ketbase.quantum.machines import Machine
from ketbase.quantum.targets import working_part

_LOG = logging.getLogger(__name__)

PACKAGES = ("qiskit-ibm-runtime", "qiskit-mitigation")

_FEW = 3
"""So many jobs are asked for one by one; more are looked for in the listing first."""
_PAGES_MORE = 3
"""So many pages of a listing are read beyond those that the jobs would fill alone."""
_LARGEST_RAW = 5_000_000
"""Characters of a result that is kept as IBM gave it."""


class IbmEngine:
    """The engine of every machine at IBM Quantum that our account may use.

    IBM asks for the seconds that a machine was held: also for a job that failed by its user's fault, and for what a
    cancelled job had used. A private job's result can be read once; ours are not private.
    """

    def __init__(self, service: Callable[[], QiskitRuntimeService]):
        """Sign in when first asked.

        Args:
            service: what makes the SDK's service, such as `ketbase.quantum.ibm.account.sign_in`.
        """
        self._account = Account(service)

    def machine(self, backend: BackendInfo) -> Machine:
        """Read a machine as it is now; circuits keep off what its calibration marks dead, where they can.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
            ExecutionError: `PROVIDER_REFUSED`, our account has no such machine any more.
        """
        found = self._account.backend(_name(backend))
        with problems():
            whole, moment = found.target, calibrated_at(found)
        return Machine(
            backend.id,
            whole.num_qubits,
            frozenset(whole.operation_names),
            (working_part(whole), whole),
            moment,
            PACKAGES,
            estimates=True,
        )

    def submit(self, work: Work, tag: str) -> str:
        """Hand all circuits in as one job, and return its id.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE`, it may have arrived all the same; `PROVIDER_CREDENTIALS`.
            ExecutionError: `PROVIDER_REFUSED`.
        """
        backend = self._account.backend(_name(work.backend))
        experiment = work.experiment
        settings = {"environment": {"job_tags": [tag], "private": False}}
        with problems(), _mode(backend, experiment.execution_mode) as mode:
            if experiment.observables:
                settings |= estimates.options(experiment.mitigation, work.shots)
                job = EstimatorV2(mode, settings).run(estimates.pubs(work))
            else:
                circuits = [samples.plainly_named(circuit) for circuit in work.circuits]
                job = SamplerV2(mode, settings).run(circuits, shots=work.shots)
        return str(job.job_id())

    def find(self, backend: BackendInfo, tag: str, *, partly: bool = False) -> str | None:
        """Find the job that has a tag, in any of our instances.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
        """
        del backend, partly  # it arrives as a whole, and a tag is of one job, wherever it runs
        for client in self._account.clients.values():
            for job in self._account.jobs(client, job_tags=[tag]):
                if tag in (job.get("tags") or ()):
                    return str(job["id"])
        return None

    def states(self, remote_ids: Sequence[str]) -> Mapping[str, RemoteState]:
        """Look through the newest jobs, 200 a page, and ask for the few that are not among them one by one.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
        """
        missing, found = set(remote_ids), dict[str, RemoteState]()
        if len(missing) > _FEW:
            found |= self._listed(missing)
        for remote_id in sorted(missing - found.keys()):
            job = self._account.anywhere(methodcaller("job_get", remote_id))
            if job is not None:
                found[remote_id] = state_of(job)
        return found

    def fetch(self, remote_id: str, work: Work) -> Fetched:
        """Read a completed job's result.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE`, IBM does not answer or has not completed it; or
                `PROVIDER_CREDENTIALS`.
            ExecutionError: `PROVIDER_JOB_MISSING`, `PROVIDER_JOB_FAILED`, or `PROVIDER_ANSWER_UNUSABLE`.
        """
        job = self._completed(remote_id)
        text = self._account.anywhere(methodcaller("job_results", remote_id))
        metrics = self._account.anywhere(methodcaller("job_metadata", remote_id))
        if not text or not metrics:
            raise unavailable(f"IBM Quantum has completed {remote_id}, and shows no result yet", "no result yet")
        try:
            result = ExecutorResultDecoder.decode(text)
        except (KeyError, TypeError, ValueError) as problem:
            raise unavailable(f"IBM Quantum's answer is no result ({problem})", "no result") from problem
        counts: tuple[Counts, ...] = ()
        expectations: tuple[ExpectationValue, ...] = ()
        try:
            if work.experiment.observables:
                expectations = tuple(estimates.expectations(result, work))
            else:
                counts = samples.counts(result, work)
        except (IndexError, KeyError, TypeError, ValueError, QiskitError) as problem:
            raise ExecutionError(
                "PROVIDER_ANSWER_UNUSABLE",
                f"IBM Quantum's result of {remote_id} is not of what was handed in: {problem}",
                engine="ibm",
                remote_id=remote_id,
            ) from problem
        seconds, started_at, ended_at = timing(job, metrics)
        return Fetched(
            counts=counts,
            expectations=expectations,
            method=str(job.get("backend") or _name(work.backend)),
            seconds=seconds,
            started_at=started_at,
            ended_at=ended_at,
            raw={"job": job, "metrics": metrics, "result": _kept(text)},
        )

    def cancel(self, remote_id: str) -> None:
        """Ask to stop a job; one that is over, or gone, is no error.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
        """

        def stop(client: Any) -> bool:
            try:
                client.job_cancel(remote_id)
            except QiskitError as problem:
                if status_of(problem) != 409:
                    raise
            return True

        self._account.anywhere(stop)

    def sight(self) -> tuple[Sighting, ...]:
        """Describe the quantum computers of all our instances.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
        """
        seen: dict[str, Sighting] = {}
        for client in self._account.clients.values():
            with problems():
                listed = client.list_backends()
            if not listed:  # an instance has some; what was no list of them comes as an empty one
                raise unavailable("IBM Quantum's answer is no listing of backends", "no listing")
            for each in filter(is_machine, listed):
                if each["name"] not in seen:
                    backend = self._account.backend(each["name"])
                    with problems():
                        seen[each["name"]] = sighting(each, backend)
        return tuple(seen.values())

    def properties(self, backend: BackendInfo) -> Properties | None:
        """Read a machine's newest calibration, all of it.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
        """
        raw = self._account.anywhere(methodcaller("backend_properties", _name(backend)))
        if not raw:
            return None
        decoded = properties_from_server_data(copy.deepcopy(raw), use_fractional_gates=None)
        return properties_of(backend.id, decoded, raw)

    def _listed(self, remote_ids: set[str]) -> dict[str, RemoteState]:
        found: dict[str, RemoteState] = {}
        pages = math.ceil(len(remote_ids) / PAGE) + _PAGES_MORE
        for client in self._account.clients.values():
            for job in self._account.jobs(client, limit=pages * PAGE):
                if job["id"] in remote_ids:
                    found[job["id"]] = state_of(job)
                    if len(found) == len(remote_ids):
                        return found
        return found

    def _completed(self, remote_id: str) -> dict[str, Any]:
        job: dict[str, Any] | None = self._account.anywhere(methodcaller("job_get", remote_id))
        if job is None:
            raise ExecutionError(
                "PROVIDER_JOB_MISSING", f"IBM Quantum has no job {remote_id}.", engine="ibm", remote_id=remote_id
            )
        state = state_of(job)
        if state.status is RemoteStatus.COMPLETED:
            return job
        if state.status.final:
            raise ExecutionError(
                "PROVIDER_JOB_FAILED",
                f"IBM Quantum has no result of {remote_id}: {state.raw}, "
                f"{state.message or 'and it does not say why'}.",
                engine="ibm",
                remote_id=remote_id,
                raw_status=state.raw,
            )
        raise unavailable(f"The job is {state.raw} at IBM Quantum", "not completed")


@contextmanager
def _mode(backend: IBMBackend, mode: ExecutionMode) -> Iterator[IBMBackend | Session]:
    """Open a batch or a session for one job; it takes no other, and ends with it.

    One whose job did not come costs nothing: IBM counts from the start of its first job.
    """
    if mode == "job":
        yield backend
        return
    session = Batch(backend) if mode == "batch" else Session(backend)
    try:
        yield session
    finally:
        try:
            session.close()
        except IBMError:  # the job is there, or not, all the same
            _LOG.warning("the %s %s could not be closed", mode, session.session_id, exc_info=True)


def _name(backend: BackendInfo) -> str:
    return backend.remote_name or backend.id


def _kept(text: str) -> Any:
    if len(text) > _LARGEST_RAW:
        return {"left_out": f"{len(text)} characters, of which Ketbase keeps what they say"}
    return json.loads(text)
