"""Lists the backends, and says how each is doing."""

from datetime import timedelta

from ketbase.backends.catalog import backends
from ketbase.backends.types import BackendInfo
from ketbase.backends.views import BackendStatus, BackendView, Performance, QueueState
from ketbase.costs.quotes import Quotes
from ketbase.errors import NotFoundError
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobStatus
from ketbase.ports.clock import Clock
from ketbase.ports.records import Key, Records, Update


class Backends:
    """The catalogue, with prices and today's figures beside it."""

    def __init__(self, records: Records, jobs: JobStore, quotes: Quotes, clock: Clock):
        self._records = records
        self._jobs = jobs
        self._quotes = quotes
        self._clock = clock

    def info(self, backend_id: str) -> BackendInfo:
        """Find a backend in the catalogue.

        Raises:
            NotFoundError: `BACKEND_NOT_FOUND`, with the ids there are.
        """
        known = backends()
        if backend_id not in known:
            raise NotFoundError(
                "BACKEND_NOT_FOUND",
                f"There is no backend {backend_id!r}; GET /v1/backends lists them.",
                backend_id=backend_id,
                backends=sorted(known),
            )
        return known[backend_id]

    def list(self) -> list[BackendView]:
        """Describe all backends."""
        return [
            BackendView(
                **dict(info),
                status="available",
                queue_depth=self._jobs.depth(info.id),
                avg_latency_ms=self._performance(info.id).avg_latency_ms,
                cost_per_circuit=self._quotes.reference(info),
            )
            for info in backends().values()
        ]

    def status(self, backend_id: str) -> BackendStatus:
        """Say how a backend is doing.

        Raises:
            NotFoundError: `BACKEND_NOT_FOUND`.
        """
        info = self.info(backend_id)
        figures = self._figures(backend_id)
        ended = figures.get("completed", 0) + figures.get("failed", 0)
        waited = figures.get("waited_ms", 0)
        return BackendStatus(
            id=info.id,
            status="available",
            uptime=figures.get("completed", 0) / ended if ended else None,
            queue=QueueState(
                depth=self._jobs.depth(backend_id),
                avg_wait_time_sec=waited / ended / 1_000 if ended else None,
            ),
            performance=self._performance(backend_id),
        )

    def count(self, job: Job, *, circuits: int, seconds: float) -> None:
        """Add a finished job to the day's figures of its backend.

        These are for people to judge a backend by; a crash between the job's end and this loses one count.
        """
        waited = ((job.started_at or job.created_at) - job.created_at) / timedelta(milliseconds=1)
        outcome = "completed" if job.status is JobStatus.COMPLETED else "failed"
        self._records.write(
            Update(
                self._day(job.backend),
                add={
                    outcome: 1,
                    "circuits": circuits,
                    "busy_ms": round(seconds * 1_000),
                    "waited_ms": round(waited),
                },
            )
        )

    def recent_seconds(self, backend_id: str) -> float | None:
        """Average how long today's executions on a backend took; `None` if there was none."""
        latency = self._performance(backend_id).avg_latency_ms
        return None if latency is None else latency / 1_000

    def _performance(self, backend_id: str) -> Performance:
        figures = self._figures(backend_id)
        circuits = figures.get("circuits", 0)
        return Performance(
            circuits_today=circuits,
            avg_latency_ms=figures.get("busy_ms", 0) / circuits if circuits else None,
        )

    def _figures(self, backend_id: str) -> dict[str, int]:
        item = self._records.get(self._day(backend_id))
        return {} if item is None else dict(item.values)

    def _day(self, backend_id: str) -> Key:
        return Key(f"backend#{backend_id}", f"day#{self._clock.now():%Y-%m-%d}")
