"""Compiles loops to machine code, once."""

from collections.abc import Callable
from typing import Any

from numba import njit

_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"nsz", "arcp", "contract", "reassoc"}}


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of arrays and numbers at its first call; what was compiled is kept where that can be written.

    Sums may be taken in another order than written, always in the same one on one machine.
    """
    try:
        return njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # nowhere to write the machine code
        return njit(**_OPTIONS)(function)
