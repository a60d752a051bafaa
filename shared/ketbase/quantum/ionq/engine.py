"""IonQ as an engine: hands jobs in, finds them again, and reads what became of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import batched
from typing import Any

from ketbase.backends.remote import GateProperties, Properties, RemoteState, RemoteStatus, Sighting
from ketbase.backends.types import BackendInfo, Calibration
from ketbase.errors import ExecutionError, KetbaseError
from ketbase.ids import born_at
from ketbase.money import Money
from ketbase.quantum.engines import Counts, Fetched, Work
from ketbase.quantum.http import moment
from ketbase.quantum.ionq.api import PAGE, IonqApi, unavailable
from ketbase.quantum.ionq.circuits import TAG, counts, drawing_seed, measured_last, payload, target
from ketbase.quantum.ionq.machines import catalogue, is_machine, machine
from ketbase.quantum.machines import Machine

PACKAGES = ("qiskit-ionq",)

_STATUSES = {
    "submitted": RemoteStatus.QUEUED,
    "ready": RemoteStatus.QUEUED,
    "started": RemoteStatus.RUNNING,
    "running": RemoteStatus.RUNNING,
    "completed": RemoteStatus.COMPLETED,
    "failed": RemoteStatus.FAILED,
    "canceled": RemoteStatus.CANCELLED,
    "cancelled": RemoteStatus.CANCELLED,
}
_AGGREGATE = "ionq.result.probabilities-aggregate.json.v1"
_CLOCKS_APART = timedelta(minutes=10)
_US, _NS = 1e6, 1e9
_DIGITS = 9


class IonqEngine:
    """The engine of everything at IonQ."""

    def __init__(self, key: Callable[[], str], url: str, *, timeout_s: float = 30.0):
        """Connect at the first request; see `IonqApi`."""
        self._api = IonqApi(key, url, timeout_s=timeout_s)

    def machine(self, backend: BackendInfo) -> Machine:
        """Describe a backend to the compiler; IonQ need not be asked, for all its qubits reach each other."""
        whole = target(backend.capabilities.max_qubits)
        return Machine(
            backend.id,
            backend.capabilities.max_qubits,
            frozenset(whole.operation_names),
            (whole,),
            packages=PACKAGES,
            compiles_again=True,  # https://docs.ionq.com/sdks/qiskit/native-gates-qiskit
            finish=measured_last,
        )

    def submit(self, work: Work, tag: str) -> str:
        """Post a job once, and return its id.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE`, it may have arrived all the same; `PROVIDER_CREDENTIALS`.
            ExecutionError: `PROVIDER_REFUSED`.
        """
        answer = self._api.post("jobs", payload(work, tag))
        if not isinstance(answer, dict) or not answer.get("id"):
            raise unavailable("IonQ did not say which job it made", "no id")
        return str(answer["id"])

    def find(self, backend: BackendInfo, tag: str, *, partly: bool = False) -> str | None:
        """Find the job that has a tag; the listing has no filter for it, so that its pages are walked.

        A tag that is an id of ours says when it was made: no page behind older jobs is read.
        """
        del backend, partly  # it arrives as a whole, and a listing is of the whole project
        horizon = _horizon(tag)
        for page in self._api.job_pages():
            for job in page:
                if not job.get("parent_job_id") and tag in (job.get("name"), (job.get("metadata") or {}).get(TAG)):
                    return str(job["id"])
            if horizon is not None and _is_older(page, horizon):
                return None
        return None

    def states(self, remote_ids: Sequence[str]) -> Mapping[str, RemoteState]:
        """Ask for a hundred jobs at a time."""
        found: dict[str, RemoteState] = {}
        for some in batched(remote_ids, PAGE, strict=False):
            wanted = set(some)
            for page in self._api.job_pages(ids=list(some)):
                found |= {job["id"]: _state(job) for job in page if job["id"] in wanted}
                if wanted <= found.keys():
                    break
        return found

    def fetch(self, remote_id: str, work: Work) -> Fetched:
        """Get a completed job's probabilities as counts.

        The ideal simulator gives exact probabilities: the shots are drawn from them, with the seed of the run that
        the job keeps. All others measured, and their probabilities are shares of the shots.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE`, IonQ does not answer or has the result not ready yet.
            ExecutionError: `PROVIDER_JOB_MISSING`, `PROVIDER_JOB_FAILED`, or `PROVIDER_ANSWER_UNUSABLE`.
        """
        job = self._job(remote_id)
        probabilities = self._probabilities(job, len(work.circuits))
        cost = self._cost(remote_id)
        seed = drawing_seed(job.get("metadata") or {})
        ended_at = moment(job.get("completed_at")) or datetime.now(UTC)
        return Fetched(
            counts=tuple(self._counts(work, number, each, seed) for number, each in enumerate(probabilities)),
            method=_method(job),
            seconds=(job.get("execution_duration_ms") or 0) / 1_000,
            started_at=moment(job.get("started_at")) or moment(job.get("submitted_at")) or ended_at,
            ended_at=ended_at,
            raw={"job": job, "probabilities": probabilities, "cost": cost},
            billed=_billed(cost),
        )

    def cancel(self, remote_id: str) -> None:
        """Stop a job that is not over; IonQ would turn even a completed one into a canceled one."""
        job = self._api.get(f"jobs/{remote_id}")
        if job is not None and not _state(job).status.final:
            self._api.put(f"jobs/{remote_id}/status/cancel")

    def sight(self) -> tuple[Sighting, ...]:
        """Describe our own backends and every other machine that IonQ lists.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE`; `PROVIDER_CREDENTIALS`, IonQ does not know the key.
        """
        self._api.get("whoami")  # the list is public: it says nothing of our key
        listed = {each["backend"]: each for each in self._api.get("backends") or []}
        known = catalogue()
        remote_names = {info.remote_name for info in known}
        others = [
            machine(name, each["qubits"])
            for name, each in sorted(listed.items())
            if is_machine(name) and name not in remote_names
        ]
        return tuple(self._sighting(info, listed.get(info.remote_name or "")) for info in (*known, *others))

    def properties(self, backend: BackendInfo) -> Properties | None:
        """Read a machine's newest characterization; IonQ gives medians, so that all its qubits have the same."""
        found = self._characterization(backend)
        taken_at = moment((found or {}).get("date"))
        if found is None or taken_at is None:
            return None
        timing = found.get("timing") or {}
        qubit = {
            "readout_error": _error(found, "spam"),
            "t1_us": _scaled(timing.get("t1"), _US),
            "t2_us": _scaled(timing.get("t2"), _US),
            "readout_duration_ns": _scaled(timing.get("readout"), _NS),
        }
        return Properties(
            backend=backend.id,
            taken_at=taken_at,
            qubits=(qubit,) * int(found.get("qubits") or backend.capabilities.max_qubits),
            gates=tuple(
                GateProperties(
                    gate=gate, qubits=(), error=_error(found, gate), duration_ns=_scaled(timing.get(gate), _NS)
                )
                for gate in ("1q", "2q")
            ),
            raw=found,
        )

    # --- Jobs ---

    def _job(self, remote_id: str) -> dict[str, Any]:
        job: dict[str, Any] | None = self._api.get(f"jobs/{remote_id}")
        if job is None:
            raise ExecutionError(
                "PROVIDER_JOB_MISSING", f"IonQ has no job {remote_id}.", engine="ionq", remote_id=remote_id
            )
        state = _state(job)
        if state.status is RemoteStatus.COMPLETED:
            return job
        if state.status.final:
            raise ExecutionError(
                "PROVIDER_JOB_FAILED",
                f"IonQ has no result of {remote_id}: {state.raw}, {state.message or 'and it does not say why'}.",
                engine="ionq",
                remote_id=remote_id,
                raw_status=state.raw,
            )
        raise unavailable(f"The job is {state.raw} at IonQ", "not completed")

    def _probabilities(self, job: Mapping[str, Any], circuits: int) -> list[dict[str, float]]:
        """Read the probabilities of each circuit, in the order in which they were handed in."""
        if circuits == 1:
            return [self._result(job, [f"jobs/{job['id']}/results/probabilities"])]
        named = (job.get("results") or {}).get(_AGGREGATE) or {}
        by_child = self._result(
            job,
            [
                f"jobs/{job['id']}/results/probabilities/aggregated",
                f"jobs/{job['id']}/artifacts/{named.get('id', 'probabilities-aggregate')}",
            ],
        )
        order = self._children(job, circuits)
        if set(order) != set(by_child):
            raise ExecutionError(
                "PROVIDER_ANSWER_UNUSABLE",
                f"{circuits} circuits were handed in, and IonQ answers for {len(by_child)}.",
                engine="ionq",
                remote_id=job["id"],
            )
        return [by_child[child] for child in order]

    def _result(self, job: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
        for path in paths:
            answer = self._api.get(path)
            if isinstance(answer, dict) and answer:
                return answer
        raise unavailable(f"IonQ has completed {job['id']}, and shows no result of it yet", "no result yet")

    def _cost(self, remote_id: str) -> dict[str, Any] | None:
        cost: dict[str, Any] | None = self._api.get(f"jobs/{remote_id}/cost")
        if cost is not None and "estimated_cost" not in cost:
            raise unavailable("IonQ's answer is no cost", "no cost")
        return cost

    def _children(self, job: Mapping[str, Any], circuits: int) -> list[str]:
        """The jobs of the single circuits: by their names where IonQ gives them, or else as it lists them."""
        listed = [str(child) for child in job.get("child_job_ids") or ()]
        named = {
            child.get("name"): str(child["id"])
            for page in self._api.job_pages(parent_job_id=job["id"])
            for child in page
            if child.get("parent_job_id") == job["id"]
        }
        names = [str(number) for number in range(circuits)]
        return [named[name] for name in names] if named.keys() == set(names) else listed

    def _counts(self, work: Work, number: int, probabilities: Mapping[str, float], seed: int | None) -> Counts:
        drawn = None if seed is None else seed + number
        return counts(work.circuits[number], probabilities, work.shots, drawn)

    # --- Machines ---

    def _sighting(self, info: BackendInfo, listed: Mapping[str, Any] | None) -> Sighting:
        if listed is None:
            return Sighting(info=info, available=False, raw_status="not listed")
        status = str(listed.get("status") or "")
        available = status == "available"
        if info.type == "hardware":
            found = self._characterization(info)
            n_qubits = listed.get("qubits") or info.capabilities.max_qubits
            info = machine(info.remote_name or "", int(n_qubits), _calibration(found) if found else None)
        return Sighting(
            info=info,
            available=available,
            raw_status=f"{status}, degraded" if listed.get("degraded") else status,
            avg_wait_s=self._wait_s(info) if available and info.type == "hardware" else None,
        )

    def _characterization(self, backend: BackendInfo) -> dict[str, Any] | None:
        if not is_machine(backend.remote_name or ""):
            return None
        found = self._api.get(f"backends/{backend.remote_name}/characterizations", {"limit": 1})
        return next(iter((found or {}).get("characterizations") or ()), None)

    def _wait_s(self, backend: BackendInfo) -> float | None:
        """How long a small job would wait; IonQ says no unit for the average that it lists with its backends."""
        small = {"backend": backend.remote_name, "qubits": 2, "shots": 1_000, "1q_gates": 1, "2q_gates": 1}
        try:
            estimate = self._api.get("jobs/estimate", small) or {}
        except KetbaseError:  # nobody needs it
            return None
        waits_ms = estimate.get("current_predicted_queue_time")
        return None if waits_ms is None else waits_ms / 1_000


def _state(job: Mapping[str, Any]) -> RemoteState:
    word = str(job.get("status") or "")
    failure = job.get("failure") or {}
    said = [str(failure[part]) for part in ("code", "message", "error") if failure.get(part)]
    return RemoteState(
        status=_STATUSES.get(word, RemoteStatus.UNKNOWN), raw=word, message=": ".join(said) if said else None
    )


def _method(job: Mapping[str, Any]) -> str:
    model = (job.get("noise") or {}).get("model")
    return f"{job.get('backend')} ({model})" if model else str(job.get("backend"))


def _billed(cost: Mapping[str, Any] | None) -> Money | None:
    """What a job cost, where IonQ says it in dollars; what credits are worth is between IonQ and its customer."""
    actual = (cost or {}).get("cost") or {}
    if str(actual.get("unit")).lower() != "usd" or actual.get("value") is None:
        return None
    return Money.at_least(Decimal(str(actual["value"])))


def _horizon(tag: str) -> datetime | None:
    born = born_at(tag)
    return None if born is None else born - _CLOCKS_APART


def _is_older(page: Sequence[Mapping[str, Any]], horizon: datetime) -> bool:
    """Whether the listing goes back in time, as it does today, and is beyond a moment."""
    moments = [at for at in (moment(job.get("submitted_at")) for job in page) if at is not None]
    return len(moments) > 1 and moments[-1] < moments[0] and moments[-1] < horizon


def _calibration(found: Mapping[str, Any]) -> Calibration | None:
    """The medians of a characterization; `None` where one of them is missing."""
    timing = found.get("timing") or {}
    taken_at, readout = moment(found.get("date")), _error(found, "spam")
    one, two = _error(found, "1q"), _error(found, "2q")
    t1, t2 = _scaled(timing.get("t1"), _US), _scaled(timing.get("t2"), _US)
    if taken_at is None or readout is None or one is None or two is None or t1 is None or t2 is None:
        return None
    return Calibration(
        taken_at=taken_at,
        median_readout_error=readout,
        median_two_qubit_error=two,
        median_single_qubit_error=one,
        median_t1_us=t1,
        median_t2_us=t2,
    )


def _error(found: Mapping[str, Any], of: str) -> float | None:
    """One minus a median fidelity; IonQ's `spam` is preparation and measurement together."""
    median = ((found.get("fidelity") or {}).get(of) or {}).get("median")
    return None if median is None else round(1 - median, _DIGITS)


def _scaled(seconds: float | None, factor: float) -> float | None:
    return round(seconds * factor, _DIGITS) if seconds else None
