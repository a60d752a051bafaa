"""Calls what template.yaml puts on a schedule, at its rate."""

import threading
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from ketbase.local.template import Function, Schedule
from ketbase.runtime import observability

_POLLERS = "providers"
_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A function on a schedule.

    Attributes:
        name: of the function, for the log.
        schedule: when it is called, and with what.
        handler: the function.
    """

    name: str
    schedule: Schedule
    handler: Callable[[dict[str, Any], None], object]


def schedules_of(function: Function, poll_every_s: int) -> tuple[Schedule, ...]:
    """What calls a function on this machine: whoever sits before it waits for a provider's answer.

    Args:
        function: of the template.
        poll_every_s: the seconds between two calls of what the template has providers asked every minute.
    """
    if function.domain != _POLLERS:
        return function.schedules
    return tuple(
        replace(schedule, every_s=poll_every_s) if schedule.every_s == _MINUTE_S else schedule
        for schedule in function.schedules
    )


class Scheduler:
    """One thread for each schedule; each call runs to its end before the next is due."""

    def __init__(self, scheduled: Iterable[Scheduled]):
        """Wire a scheduler of these."""
        self._scheduled = tuple(scheduled)
        self._closing = threading.Event()

    def start(self) -> None:
        """Call everything once now, and then at its rate, until `close`."""
        for each in self._scheduled:
            threading.Thread(target=self._repeat, args=(each,), name=f"schedule-{each.name}", daemon=True).start()

    def close(self) -> None:
        """Call nothing more."""
        self._closing.set()

    def _repeat(self, scheduled: Scheduled) -> None:
        while True:
            try:
                scheduled.handler(deepcopy(scheduled.schedule.event), None)
            except Exception:  # noqa: BLE001 (the next call may succeed)
                observability.log_exception("scheduled call failed", function=scheduled.name)
            if self._closing.wait(scheduled.schedule.every_s):
                return
