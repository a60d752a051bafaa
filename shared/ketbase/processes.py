"""Processes that end with the one that started them, whatever ended that."""

import os
import threading
import time

_LOOK_EVERY_S = 0.2


def die_with(parent: int) -> None:
    """End this process as soon as it is no more the child of `parent`."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)
