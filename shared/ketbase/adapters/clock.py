"""The clock of the machine."""

import time
from datetime import UTC, datetime


class SystemClock:
    """The operating system's time."""

    def now(self) -> datetime:
        """The present moment, timezone-aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        time.sleep(seconds)
