"""Calls what template.yaml puts on a schedule, at its rate."""

import threading
from collections.abc import Callable

from ketbase.runtime import observability

_EVENT = {"source": "aws.scheduler", "detail-type": "Scheduled Event"}


class Scheduler:
    """One thread for each schedule; each call runs to its end before the next is due."""

    def __init__(self, schedules: dict[str, tuple[int, Callable[[dict[str, str], None], object]]]):
        """Wire a scheduler.

        Args:
            schedules: by function name, the seconds between two calls, and the handler.
        """
        self._schedules = schedules
        self._closing = threading.Event()

    def start(self) -> None:
        """Call everything once now, and then at its rate, until `close`."""
        for name, (every_s, handler) in self._schedules.items():
            thread = threading.Thread(
                target=self._repeat, args=(name, every_s, handler), name=f"schedule-{name}", daemon=True
            )
            thread.start()

    def close(self) -> None:
        """Call nothing more."""
        self._closing.set()

    def _repeat(self, name: str, every_s: int, handler: Callable[[dict[str, str], None], object]) -> None:
        while True:
            try:
                handler(_EVENT, None)
            except Exception:  # noqa: BLE001 (the next call may succeed)
                observability.log_exception("scheduled call failed", function=name)
            if self._closing.wait(every_s):
                return
