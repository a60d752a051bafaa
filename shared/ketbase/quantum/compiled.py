"""Compiles loops to machine code, once: ahead of time for the image, at the first call elsewhere.

What was compiled is kept beside its source where that can be written, and in the user's cache where it cannot; it
is compiled anew where its source was changed, or this module, which says how. The image, which can write nowhere
and meets whatever processor Lambda or Fargate has, carries machine code for any of them in `machine_code/`; a
checkout has no such folder.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import caching, config

AHEAD = Path(__file__).with_name("machine_code")
"""Where machine code lies that was compiled ahead, or will: make the folder, then run `ketbase.quantum.ahead`."""

if AHEAD.is_dir():
    # AVX2 and FMA, which all processors of Lambda and Fargate have.
    os.environ.update(NUMBA_CPU_NAME="x86-64-v3", NUMBA_CPU_FEATURES="+avx2,+fma")
    config.reload_config()

_dispatchers: list[Any] = []
_HOW = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


class _Stamped(caching._SourceFileBackedLocatorMixin):
    """Takes for stale also what was compiled in another way."""

    def get_source_stamp(self) -> Any:
        """Give what tells source and flags apart from changed ones."""
        return super().get_source_stamp(), _HOW


class _Ahead(_Stamped, caching.InTreeCacheLocator):
    """Where `AHEAD` has the machine code of a function."""

    def __init__(self, py_func: Any, py_file: str):
        super().__init__(py_func, py_file)
        self._cache_path = str(AHEAD / Path(py_file).parent.name)

    def ensure_cache_path(self) -> None:
        """Make the folder, where it can be made."""
        with suppress(OSError):
            super().ensure_cache_path()

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> "_Ahead | None":
        """Give the place, where there is one."""
        return cls(py_func, py_file) if AHEAD.is_dir() else None


class _InTree(_Stamped, caching.InTreeCacheLocator):
    """Where the source is, if that can be written."""


class _OfUser(_Stamped, caching.UserWideCacheLocator):
    """The user's cache."""


class _Implementation(caching.CompileResultCacheImpl):
    _locator_classes = [_Ahead, _InTree, _OfUser]  # noqa: RUF012 (numba's)


class _Cache(caching.FunctionCache):
    _impl_class = _Implementation

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, where it can be kept."""
        with suppress(OSError):
            super().save_overload(sig, data)


def compiled(function: Callable[..., Any]) -> Any:
    """Have a function compiled that may add up in another order than written, but always the same on one machine.

    Args:
        function: in the part of Python that numba knows. It calls nothing compiled of another module, for only its
            own module's text tells whether what was kept is still right.
    """
    return _dispatcher(function, fastmath={"nsz", "arcp", "contract", "reassoc"})


def compiled_as_written(function: Callable[..., Any]) -> Any:
    """Have a function compiled that calculates in the order in which it is written; all else as for `compiled`."""
    return _dispatcher(function, fastmath=False)


def _dispatcher(function: Callable[..., Any], *, fastmath: set[str] | bool) -> Any:
    dispatcher: Any = njit(nogil=True, error_model="numpy", fastmath=fastmath)(function)
    with suppress(RuntimeError):  # nowhere to keep it
        dispatcher._cache = _Cache(function)
    _dispatchers.append(dispatcher)
    return dispatcher


def misses() -> int:
    """Say how often this process had to compile, for there was nothing to be read."""
    return sum(sum(each.stats.cache_misses.values()) for each in _dispatchers)
