"""The doorbell port: says that there is work. The work itself is in the records."""

from collections.abc import Callable
from typing import Protocol


class Doorbell(Protocol):
    """Rings may be merged, doubled or late, but after a ring the bell is answered at least once."""

    def ring(self, reason: str) -> None:
        """Say that there is work; `reason` is for the logs."""

    def answer(self, handle: Callable[[str], None], seconds: float) -> int:
        """Wait up to `seconds` for rings and call `handle` with the reason of each.

        A ring is forgotten only when `handle` returned; one whose `handle` raised is heard again later.

        Returns:
            How many rings were answered.
        """

    def check(self) -> None:
        """Do the least that proves the bell works; raises whatever lies beneath."""
