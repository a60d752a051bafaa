"""When a device executes what waits for it."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

from ketbase.quantum.braket.capabilities import Window

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SEVERAL = {"everyday": range(7), "weekdays": range(5), "weekend": range(5, 7), "weekends": range(5, 7)}
_SEAM = timedelta(minutes=1)
"""A window that ends at 23:59:59 goes on in one that begins at 00:00."""


def opens_in(windows: Iterable[Window], now: datetime) -> timedelta | None:
    """Return how long it is until a device executes; nothing where it does now, `None` where it never does."""
    now = now.astimezone(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    waits = []
    for window in windows:
        for day in _days(window):
            # The window of that day last week, this week and next week, the week beginning on Monday.
            for week in (-1, 0, 1):
                start_of_day = midnight + timedelta(days=day - now.weekday() + 7 * week)
                start = start_of_day + _since_midnight(window.window_start_hour)
                end = start_of_day + _since_midnight(window.window_end_hour)
                if end <= start:
                    end += timedelta(days=1)
                if now < end + _SEAM:
                    waits.append(max(start - now, timedelta()))
    return min(waits, default=None)


def _days(window: Window) -> Iterable[int]:
    name = window.execution_day.lower()
    if name in _SEVERAL:
        return _SEVERAL[name]
    return (_DAYS.index(name),) if name in _DAYS else ()


def _since_midnight(hour: time) -> timedelta:
    return timedelta(hours=hour.hour, minutes=hour.minute, seconds=hour.second)
