"""Measurements on one machine, in the form that Prometheus reads."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ketbase.backends.catalog import backends
from ketbase.jobs.store import JobStore

_NOTICES = {"NoticesSent": "sent", "NoticesGivenUp": "given_up"}
_BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class PrometheusMeter:
    """Takes the measurements of this process, and reads the queue when asked for a page."""

    def __init__(self, jobs: JobStore):
        self._jobs = jobs
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "api_requests_total", "API requests", ["method", "endpoint", "status"], registry=self._registry
        )
        self._durations = Histogram(
            "api_request_duration_seconds",
            "Duration of API requests",
            ["method", "endpoint"],
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._depth = Gauge(
            "backend_queue_depth", "Jobs that wait for a backend", ["backend"], registry=self._registry
        )
        self._notices = Counter(
            "notices_total", "Notices that were sent or given up", ["end"], registry=self._registry
        )
        self._discrepancies = Gauge(
            "ledger_discrepancies", "What the last reconciliation found", registry=self._registry
        )
        self._running = Gauge("jobs_running", "Jobs that run", registry=self._registry)

    def __call__(self, name: str, value: float, _unit: str, /, **dimensions: str) -> None:
        """Take one measurement; those that have no Prometheus form here are left out."""
        if name == "Requests":
            self._requests.labels(**dimensions).inc(value)
        elif name == "RequestDuration":
            self._durations.labels(**dimensions).observe(value / 1_000)
        elif name in _NOTICES:
            self._notices.labels(end=_NOTICES[name]).inc(value)
        elif name == "LedgerDiscrepancies":
            self._discrepancies.set(value)

    def page(self) -> bytes:
        """Write all measurements as Prometheus text."""
        for backend in backends():
            self._depth.labels(backend=backend).set(self._jobs.depth(backend))
        self._running.set(sum(1 for _ in self._jobs.running()))
        return generate_latest(self._registry)
