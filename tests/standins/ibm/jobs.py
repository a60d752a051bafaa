"""The jobs of this cloud, and what runs them: the SDK's own local mode, on what its client sent."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ibm_quantum_schemas.common.tensor import CompressedTensorModel
from ibm_quantum_schemas.executor.version_2_0 import (
    ChunkPart,
    ChunkSpan,
    ItemMetadataModel,
    MetadataModel,
    ParamsModel,
    QuantumProgramResultItemModel,
    QuantumProgramResultModel,
)
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime.fake_provider.executor.run_quantum_program import run_quantum_program
from qiskit_ibm_runtime.options_models.simulator import SimulatorOptions
from qiskit_ibm_runtime.quantum_program import QuantumProgram
from qiskit_ibm_runtime.quantum_program.converters import quantum_program_from_2_0
from qiskit_ibm_runtime.utils.utils import is_isa_circuit
from samplomatic.quantum_program import CircuitItem, SamplexItem

from tests.standins.ibm import machines

FINAL = frozenset({"Completed", "Failed", "Cancelled"})


@dataclass(frozen=True)
class Course:
    """How jobs go.

    Attributes:
        hold: they stay in the queue.
        word: what every job is said to be, whatever it is.
        failure: reason and code with which those that are handed in now fail.
        seconds: that each is charged for.
        counting: what each is charged is not known yet.
        results: whether completed jobs show them.
        a_minute: how many jobs are taken; any number where it is 0.
        since: from when on these are counted.
    """

    hold: bool = False
    word: str | None = None
    failure: tuple[str, int] | None = None
    seconds: float = 2.0
    counting: bool = False
    results: bool = True
    a_minute: int = 0
    since: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Job:
    """One that was taken."""

    number: int
    instance: str
    posted: dict[str, Any]
    created: datetime
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:20])
    status: str = "Queued"
    reason: tuple[str, int] | None = None
    running: datetime | None = None
    finished: datetime | None = None
    result: str = ""

    @property
    def tags(self) -> list[str]:
        return list(self.posted.get("tags") or [])


class Jobs:
    """All of them, and one thread that runs them in their order."""

    def __init__(self, *, ideal: bool, seed: int = 7):
        self.course = Course()
        self._ideal = ideal
        self._seed = seed
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._runner = ThreadPoolExecutor(1)

    def accept(self, instance: str, posted: dict[str, Any]) -> Job:
        with self._lock:
            job = Job(len(self._jobs), instance, posted, datetime.now(UTC), reason=self.course.failure)
            self._jobs[job.id] = job
        self._runner.submit(self._run, job)
        return job

    def fill(self, instance: str, number: int) -> list[str]:
        """Put that many completed jobs of somebody else's before all that come."""
        with self._lock:
            made = [
                Job(
                    -1,
                    instance,
                    {"backend": "ibm_lagos", "program_id": "executor"},
                    datetime.now(UTC),
                    status="Completed",
                )
                for _ in range(number)
            ]
            self._jobs |= {job.id: job for job in made}
        return [job.id for job in made]

    def of(self, instance: str) -> list[Job]:
        """Those of an instance, the oldest first."""
        with self._lock:
            return [job for job in self._jobs.values() if job.instance == instance]

    def get(self, instance: str, job_id: str) -> Job | None:
        job = self._jobs.get(job_id)
        return job if job is not None and job.instance == instance else None

    def cancel(self, job: Job) -> bool:
        with self._lock:
            if job.status in FINAL:
                return False
            job.status, job.finished = "Cancelled", datetime.now(UTC)
            return True

    def accepted(self) -> dict[str, int]:
        """How many were taken under each tag."""
        counts: dict[str, int] = {}
        with self._lock:
            for job in self._jobs.values():
                for tag in job.tags:
                    counts[tag] = counts.get(tag, 0) + 1
        return counts

    def _run(self, job: Job) -> None:
        while self.course.hold and job.status == "Queued":
            time.sleep(0.01)
        with self._lock:
            if job.status != "Queued":
                return
            job.status, job.running = "Running", datetime.now(UTC)
        try:
            result = "" if job.reason else self._executed(job)
        except Exception as problem:  # noqa: BLE001 (as there: whatever goes wrong fails the job)
            job.reason, result = (f"{type(problem).__name__}: {problem}", 1_000), ""
        with self._lock:
            if job.status == "Running":
                job.status = "Failed" if job.reason else "Completed"
                job.result, job.finished = result, datetime.now(UTC)

    def _executed(self, job: Job) -> str:
        params = ParamsModel.model_validate(job.posted["params"])
        program, _ = quantum_program_from_2_0(params)
        machine = machines.fake(job.posted["backend"])
        for item in program.items:
            wrong = is_isa_circuit(item.circuit, machine.target) if isinstance(item, CircuitItem) else ""
            if isinstance(item, SamplexItem):
                item.samplex.finalize()
            if wrong:
                job.reason = (f"The circuit does not match the target hardware definition: {wrong}", 1_517)
                return ""
        simulated = AerSimulator() if self._ideal else machines.simulated(job.posted["backend"])
        # Each by itself, for the local mode gives every item the same random numbers.
        result = [
            run_quantum_program(
                simulated,
                QuantumProgram(shots=program.shots, items=[item]),
                SimulatorOptions(seed_simulator=self._seed + 10_000 * job.number + number),
            )[0]
            for number, item in enumerate(program.items)
        ]
        now = datetime.now(UTC).replace(tzinfo=None)
        parts = [
            ChunkPart(idx_item=index, size=1, permutation=[], element_range=(0, 1, 1))
            for index in range(len(result))
        ]
        return QuantumProgramResultModel(
            data=[
                QuantumProgramResultItemModel(
                    results={name: CompressedTensorModel.from_numpy(array) for name, array in item.items()},
                    metadata=ItemMetadataModel(),
                )
                for item in result
            ],
            metadata=MetadataModel(chunk_timing=[ChunkSpan(start=now, stop=now, parts=parts)]),
            passthrough_data=params.quantum_program.passthrough_data,
            semantic_role=params.quantum_program.semantic_role,
        ).model_dump_json()
