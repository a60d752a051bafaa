"""What a child of the nursery can be asked for."""

from collections.abc import Callable
from typing import Any

from ketbase.quantum import preparation, qasm

TASKS: dict[str, Callable[..., Any]] = {
    "parse": qasm.parse,
    "export": qasm.export,
    "draw": qasm.draw,
    "state": preparation.state,
}
"""By name; arguments and answers are JSON."""


def warm() -> None:
    """Use everything once: the caches are then inherited by the children."""
    qasm.warm()
    preparation.warm()
