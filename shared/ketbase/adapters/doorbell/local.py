"""The doorbell port within one process."""

import logging
import threading
import time
from collections.abc import Callable

RETRY_S = 1.0
"""How long a ring waits that could not be answered."""

_LOG = logging.getLogger(__name__)


class LocalDoorbell:
    """Rings for the same reason are merged while they wait."""

    def __init__(self, retry_s: float = RETRY_S):
        """Make a bell.

        Args:
            retry_s: how long a ring whose `handle` raised waits until it is heard again.
        """
        self._retry_s = retry_s
        self._rung = threading.Condition()
        self._due: dict[str, float] = {}

    def ring(self, reason: str) -> None:
        """Say that there is work; `reason` is for the logs."""
        self._wait_until(reason, time.monotonic())

    def answer(self, handle: Callable[[str], None], seconds: float) -> int:
        """Wait up to `seconds` for rings and call `handle` with the reason of each; logs what it raises.

        Returns:
            How many rings were answered.
        """
        answered = 0
        for reason in self._take(time.monotonic() + seconds):
            try:
                handle(reason)
            except Exception:  # noqa: BLE001 - a ring outlives whatever befell its handling
                _LOG.exception("a ring was not answered and will be heard again: %s", reason)
                self._wait_until(reason, time.monotonic() + self._retry_s)
            else:
                answered += 1
        return answered

    def check(self) -> None:
        """There is nothing beneath that could fail."""

    def _wait_until(self, reason: str, moment: float) -> None:
        with self._rung:
            self._due[reason] = min(moment, self._due.get(reason, moment))
            self._rung.notify()

    def _take(self, deadline: float) -> list[str]:
        """Take the rings that are due, as soon as there is one, or none at the deadline."""
        with self._rung:
            while True:
                now = time.monotonic()
                if due := [reason for reason, moment in self._due.items() if moment <= now]:
                    for reason in due:
                        del self._due[reason]
                    return due
                if now >= deadline:
                    return []
                self._rung.wait(min(deadline, *self._due.values()) - now if self._due else deadline - now)
