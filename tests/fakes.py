"""Stand-ins that behave: a clock one can turn, and ports that remember what was asked of them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from ketbase.accounts.types import Caller
from ketbase.backends.circuit_count import CircuitCount
from ketbase.backends.discovered import Discoveries
from ketbase.backends.experiments import Estimate, ExpectationValue, Experiment, Variant
from ketbase.backends.remote import RemoteOutcome, RemoteState, RemoteStatus
from ketbase.backends.service import Backends
from ketbase.backends.types import BackendInfo, CompiledCircuit, Engine, Outcome
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.costs.quotes import Quotes
from ketbase.errors import ExecutionError, InvalidCircuitError, InvalidError, KetbaseError, UnavailableError
from ketbase.ids import new_id
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobStatus, Priority
from ketbase.ledger.service import Ledger
from ketbase.money import Money
from ketbase.ports.blobs import BlobInfo, BlobNotFoundError
from ketbase.ports.records import Records
from ketbase.ports.workflows import ExecutionStatus

ALICE = Caller(organization_id="org_alice", user_id="user_alice", scopes=frozenset({"*"}))
BOB = Caller(organization_id="org_bob", user_id="user_bob", scopes=frozenset({"*"}))


class TurnedClock:
    """Stands still until somebody sleeps or turns it."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.moment = start

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.turn(seconds)

    def turn(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def books(records: Records, clock: TurnedClock, limit: str = "1000") -> Ledger:
    """The real ledger, with money enough."""
    return Ledger(records, clock, default_limit=Money.of(limit))


def job_store(records: Records, clock: TurnedClock, limit: str = "1000") -> JobStore:
    """The real store of jobs over `records`."""
    return JobStore(records, clock, books(records, clock, limit))


def backends_of(
    records: Records, jobs: JobStore, quotes: Quotes, clock: TurnedClock, engines: Collection[Engine] = ("aer",)
) -> Backends:
    """The real backends of some engines."""
    return Backends(records, jobs, quotes, clock, Discoveries(records, clock), engines)


class FakeCapacity:
    """Remembers how many functions were asked for, and has no more than `most`."""

    def __init__(self, most: int = 100) -> None:
        self.most = most
        self.provided = 0
        self.prepared: list[str] = []

    def provide(self, replicas: int) -> int:
        if replicas > self.most:
            raise InvalidError("TOO_MANY_REPLICAS", "too many")
        self.provided = replicas
        return 120 if replicas else 0

    def prepare(self, organization_id: str, model_id: str) -> None:
        self.prepared.append(model_id)


class DictBlobs:
    """Blobs in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, key: str, data: bytes, *, content_type: str, metadata: Mapping[str, str] | None = None) -> None:
        self.kept[key] = data

    def get(self, key: str) -> bytes:
        if key not in self.kept:
            raise BlobNotFoundError(key)
        return self.kept[key]

    def info(self, key: str) -> BlobInfo | None:
        data = self.kept.get(key)
        return None if data is None else BlobInfo(len(data), "", sha256(data).hexdigest())

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)

    def keys(self, prefix: str = "") -> Iterator[str]:
        return iter(sorted(key for key in self.kept if key.startswith(prefix)))

    def link(self, key: str, seconds: int) -> str | None:
        return None

    def upload_link(self, key: str, seconds: int) -> str | None:
        return None

    def check(self) -> None:
        return None


class KeptMail:
    """Remembers what was sent, unless a test gives it a problem; `meanwhile` happens during a sending."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.problem: BaseException | None = None
        self.refused: set[str] = set()
        self.meanwhile: Callable[[], object] | None = None
        self.repeats = False

    def send(self, to: str, subject: str, text: str) -> None:
        if self.problem is not None:
            raise self.problem
        if to in self.refused:
            raise OSError("refused")
        self.sent.append((to, subject, text))
        meanwhile = self.meanwhile
        if not self.repeats:
            self.meanwhile = None
        if meanwhile is not None:
            meanwhile()


class FakeDoorbell:
    """Remembers its rings."""

    def __init__(self) -> None:
        self.rings: list[str] = []

    def ring(self, reason: str) -> None:
        self.rings.append(reason)

    def answer(self, handle: Callable[[str], None], seconds: float) -> int:
        rings, self.rings = self.rings, []
        for ring in rings:
            handle(ring)
        return len(rings)

    def check(self) -> None:
        return None


class FakeWorkflows:
    """Remembers executions and answers, and lets a test say how executions ended and which tokens wait."""

    stops_steps = True

    def __init__(self) -> None:
        self.executions: dict[str, ExecutionStatus] = {}
        self.payloads: dict[str, Mapping[str, Any]] = {}
        self.waiting: set[str] = set()
        self.answers: dict[str, Any] = {}

    def start(self, workflow: str, execution: str, payload: Mapping[str, Any]) -> None:
        self.executions.setdefault(execution, ExecutionStatus.RUNNING)
        self.payloads.setdefault(execution, payload)

    def status(self, workflow: str, execution: str) -> ExecutionStatus | None:
        return self.executions.get(execution)

    def stop(self, workflow: str, execution: str, reason: str) -> None:
        if self.executions.get(execution) is ExecutionStatus.RUNNING:
            self.executions[execution] = ExecutionStatus.STOPPED

    def succeed(self, token: str, output: Mapping[str, Any]) -> bool:
        return self._answer(token, output)

    def fail(self, token: str, error: str, cause: str) -> bool:
        return self._answer(token, (error, cause))

    def _answer(self, token: str, answer: Any) -> bool:
        if token not in self.waiting:
            return False
        self.waiting.discard(token)
        self.answers[token] = answer
        return True

    def check(self) -> None:
        return None


class FakeLanguage:
    """Knows one circuit: any text that says `bell` is one, everything else is refused."""

    def warm(self) -> None:
        return None

    def parse(self, qasm: str) -> CircuitDefinition:
        if "bell" not in qasm:
            raise InvalidCircuitError("INVALID_QASM", "not a Bell pair", line=1)
        return bell()

    def export(self, definition: CircuitDefinition, version: int) -> str:
        return f"OPENQASM {version};"

    def draw(self, definition: CircuitDefinition, form: str) -> str:
        return f"<{form}>"


class FakeProvider:
    """Compiles to as many circuits as there should be, all of them nothing; answers zeros, or raises what a test
    gives it.
    """

    def __init__(self) -> None:
        self.problem: KetbaseError | None = None
        self.megabytes = 1.0
        self.compiled: list[dict[str, Any]] = []

    def compile(self, definition: CircuitDefinition, **asked: Any) -> CompiledCircuit:
        self.compiled.append(asked)
        if self.problem is not None:
            raise self.problem
        circuits = CircuitCount.of(asked["experiment"], asked["backend"]).total
        return CompiledCircuit(
            program=b"QPY",
            variants=tuple(Variant(parameters=number) for number in range(circuits)),
            qasm="OPENQASM 3.0;",
            backend=asked["backend"].id,
            n_qubits=definition.n_qubits,
            physical_qubits=(3, 4),
            layout=(3, 4),
            depth=2,
            gate_counts={"cz": 1},
            registers=(("meas", definition.n_qubits),),
            calibrated_at=None,
            sdk={"qiskit": "2"},
        )

    def needed_mb(self, compiled: CompiledCircuit, *, max_memory_mb: int, **asked: Any) -> float:
        if self.megabytes > max_memory_mb:
            raise ExecutionError("INSUFFICIENT_MEMORY", "too large", needed_mb=self.megabytes)
        return self.megabytes

    def execute(self, compiled: CompiledCircuit, *, shots: int, **asked: Any) -> Outcome:
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        experiment = asked.get("experiment", Experiment())
        values = [
            ExpectationValue(observable=observable, parameters=number, raw=Estimate(value=1.0, standard_error=0.1))
            for number in range(len(experiment.parameters))
            for observable in range(len(experiment.observables))
        ]
        return Outcome(
            counts=() if values else ({"0" * compiled.n_qubits: shots},) * len(compiled.variants),
            shots=shots,
            expectations=tuple(values),
            method="fake",
            seconds=0.5,
            started_at=moment,
            ended_at=moment,
            sdk={},
        )


def bell() -> CircuitDefinition:
    """Two qubits, entangled, not measured."""
    return CircuitDefinition.of_gates(2, [Gate(type="H", targets=(0,)), Gate(type="CNOT", targets=(0, 1))])


def new_job(clock, organization="org_a", priority=Priority.NORMAL, backend="aer", **fields: Any) -> Job:
    """A job that was just submitted."""
    now = clock.now()
    return Job(
        id=new_id("job"),
        organization_id=organization,
        kind="run",
        status=JobStatus.QUEUED,
        priority=priority,
        circuit_id=None,
        backend=backend,
        config={},
        created_at=now,
        updated_at=now,
        **{"user_id": "user", "month": f"{now:%Y-%m}", **fields},
    )


class FakeRemoteProvider(FakeProvider):
    """A provider that works elsewhere: it keeps what was handed in, and answers, loses answers or is away as told."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, list[str]] = {}
        self.states_there: dict[str, RemoteState] = {}
        self.faults: list[str] = []
        self.shots: dict[str, int] = {}
        self.stopped: list[str] = []

    def _meet(self, *faults: str) -> str:
        """Meet the next fault, if it is one that this call knows."""
        fault = self.faults.pop(0) if self.faults and self.faults[0] in faults else ""
        if fault == "away":
            raise UnavailableError("PROVIDER_UNAVAILABLE", "nobody answers", engine="ionq")
        if fault == "refused":
            raise ExecutionError("PROVIDER_REFUSED", "no such gate")
        return fault

    def submit(self, compiled: CompiledCircuit, *, shots: int, tag: str, again: bool, **asked: Any) -> str:
        fault = self._meet("away", "refused", "lost")
        if again and tag in self.tags:
            return self.tags[tag][0]
        remote_id = f"remote-{len(self.states_there) + 1}"
        self.tags.setdefault(tag, []).append(remote_id)
        self.states_there[remote_id] = RemoteState(status=RemoteStatus.QUEUED, raw="ready")
        self.shots[remote_id] = shots
        if fault == "lost":
            raise UnavailableError("PROVIDER_UNAVAILABLE", "the connection broke", engine="ionq")
        return remote_id

    def find(self, backend: BackendInfo, tag: str) -> str | None:
        self._meet("away")
        return self.tags[tag][0] if tag in self.tags else None

    def states(self, engine: str, remote_ids: Sequence[str]) -> dict[str, RemoteState]:
        self._meet("away")
        return {each: self.states_there[each] for each in remote_ids if each in self.states_there}

    def fetch(self, remote_id: str, compiled: CompiledCircuit, **asked: Any) -> RemoteOutcome:
        self._meet("away")
        outcome = self.execute(compiled, shots=self.shots[remote_id])
        return RemoteOutcome(outcome=outcome, raw={"id": remote_id})

    def cancel(self, engine: str, remote_id: str) -> None:
        self._meet("away")
        self.stopped.append(remote_id)
        if not self.states_there[remote_id].status.final:
            self.become(remote_id, RemoteStatus.CANCELLED)

    def become(self, remote_id: str, status: RemoteStatus, raw: str | None = None) -> None:
        self.states_there[remote_id] = RemoteState(status=status, raw=raw or status)
