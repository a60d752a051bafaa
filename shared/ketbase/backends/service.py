"""Lists the backends, and says how each is doing."""

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import NamedTuple

from ketbase.backends.catalog import backends
from ketbase.backends.discovered import Discovered, Discoveries
from ketbase.backends.types import BackendInfo, Engine
from ketbase.backends.views import Availability, BackendStatus, BackendView, Performance, QueueState
from ketbase.costs.quotes import Quotes
from ketbase.errors import NotFoundError
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobStatus
from ketbase.ports.clock import Clock
from ketbase.ports.records import Key, Records, Update


class Standing(NamedTuple):
    """A backend as somebody who chooses one sees it.

    Attributes:
        wait_s: how long a job waits there before it runs, in seconds.
    """

    info: BackendInfo
    status: Availability
    wait_s: float


class Backends:
    """The catalogue and what providers told us of, with prices and today's figures beside it."""

    def __init__(
        self,
        records: Records,
        jobs: JobStore,
        quotes: Quotes,
        clock: Clock,
        discoveries: Discoveries,
        engines: Collection[Engine],
        *,
        on_gpu: Collection[Engine] = (),
    ):
        """Wire the backends.

        Args:
            records: where figures are counted.
            jobs: what waits.
            quotes: what runs cost.
            clock: the time.
            discoveries: what providers told us of.
            engines: those that are set up here; there are no backends of others.
            on_gpu: those of them that simulate on a GPU.
        """
        self._records = records
        self._jobs = jobs
        self._quotes = quotes
        self._clock = clock
        self._discoveries = discoveries
        self._catalogue = {
            info.id: _on_gpu(info) if info.engine in on_gpu else info
            for info in backends().values()
            if info.engine in engines
        }
        self._engines = engines

    def info(self, backend_id: str) -> BackendInfo:
        """Find a backend.

        Raises:
            NotFoundError: `BACKEND_NOT_FOUND`, with the ids there are.
        """
        info = self._catalogue.get(backend_id)
        if info is not None and not info.is_remote:
            return info
        found = self._found(backend_id)
        if found is not None:
            return found.info
        if info is not None:
            return info
        raise NotFoundError(
            "BACKEND_NOT_FOUND",
            f"There is no backend {backend_id!r}; GET /v1/backends lists them.",
            backend_id=backend_id,
            backends=sorted({*self._catalogue, *self._discovered()}),
        )

    def all(self) -> list[BackendInfo]:
        """Return every backend: those of the catalogue, then those that providers told us of."""
        discovered = self._discovered()
        known = {**self._catalogue, **{each.info.id: each.info for each in discovered.values()}}
        return list(known.values())

    def standing(self) -> Iterator[Standing]:
        """Say of each backend whether it takes jobs, and how long they wait there."""
        discovered = self._discovered()
        for info in self.all():
            found = discovered.get(info.id)
            there = 0.0 if found is None else found.sighting.avg_wait_s or 0.0
            here = self._jobs.depth(info.id) * (self.recent_seconds(info.id) or 0.0)
            yield Standing(info, _availability(info, found), there + here)

    def list(self) -> list[BackendView]:
        """Describe all backends."""
        discovered = self._discovered()
        return [
            BackendView(
                **dict(info),
                status=_availability(info, discovered.get(info.id)),
                queue_depth=self._queue_depth(info, discovered.get(info.id)),
                avg_latency_ms=self._performance(info.id).avg_latency_ms,
                cost_per_circuit=self._quotes.reference(info),
            )
            for info in self.all()
        ]

    def status(self, backend_id: str) -> BackendStatus:
        """Say how a backend is doing.

        Raises:
            NotFoundError: `BACKEND_NOT_FOUND`.
        """
        info = self.info(backend_id)
        found = self._found(backend_id) if info.is_remote else None
        figures = self._figures(backend_id)
        ended = figures.get("completed", 0) + figures.get("failed", 0)
        waited = figures.get("waited_ms", 0)
        return BackendStatus(
            id=info.id,
            status=_availability(info, found),
            raw_status=None if found is None else found.sighting.raw_status,
            as_of=None if found is None else found.seen_at,
            uptime=figures.get("completed", 0) / ended if ended else None,
            queue=QueueState(
                depth=self._queue_depth(info, found),
                avg_wait_time_sec=waited / ended / 1_000 if ended else found and found.sighting.avg_wait_s,
            ),
            performance=self._performance(backend_id),
        )

    def _queue_depth(self, info: BackendInfo, found: Discovered | None) -> int:
        there = 0 if found is None else found.sighting.queue_depth or 0
        return self._jobs.depth(info.id) + there

    def _found(self, backend_id: str) -> Discovered | None:
        found = self._discoveries.get(backend_id)
        return found if found is not None and found.info.engine in self._engines else None

    def _discovered(self) -> dict[str, Discovered]:
        return {each.info.id: each for each in self._discoveries.walk() if each.info.engine in self._engines}

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


def _availability(info: BackendInfo, found: Discovered | None) -> Availability:
    """A provider that was never asked is trusted to be there: submitting finds out."""
    if not info.is_remote or found is None or found.sighting.available:
        return "available"
    return "unavailable"


def _on_gpu(info: BackendInfo) -> BackendInfo:
    return info.model_copy(update={"capabilities": info.capabilities.model_copy(update={"has_gpu": True})})
