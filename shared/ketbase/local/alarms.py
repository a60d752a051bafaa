"""Looks at the clock for everybody who waits, in one thread, so that hundreds can wait for days."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_EVERY_S = 0.1


class Alarms:
    """Does things as soon as they are due; its thread lives while there is something to look at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: dict[object, tuple[Callable[[], bool], Callable[[], None]]] = {}
        self._looking = False

    @contextmanager
    def when(self, due: Callable[[], bool], act: Callable[[], None]) -> Iterator[None]:
        """Within the context, do something once, in another thread, as soon as it is due.

        Args:
            due: asked several times a second; must answer at once.
            act: must return at once.
        """
        alarm = object()
        with self._lock:
            self._set[alarm] = due, act
            if not self._looking:
                self._looking = True
                threading.Thread(target=self._look, name="alarms", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._set.pop(alarm, None)

    def wait(self, event: threading.Event, due: Callable[[], bool]) -> None:
        """Wait for an event, which is set at the latest when it is due."""
        if not due():
            with self.when(due, event.set):
                event.wait()

    def _look(self) -> None:
        while True:
            with self._lock:
                if not self._set:
                    self._looking = False
                    return
                alarms = list(self._set.items())
            for alarm, (due, act) in alarms:
                if due():
                    with self._lock:
                        self._set.pop(alarm, None)
                    act()
            time.sleep(_LOOK_EVERY_S)
