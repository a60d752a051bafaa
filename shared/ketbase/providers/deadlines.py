"""Gives up on a provider that takes too long, wherever its SDK hangs."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread

from ketbase.backends.types import Engine
from ketbase.errors import UnavailableError


def within[T](seconds: float, engine: Engine, ask: Callable[[], T]) -> T:
    """Ask a provider something, in a thread of its own; what it answers later is lost.

    Raises:
        UnavailableError: `PROVIDER_UNAVAILABLE`, the time is up; or what `ask` raised.
    """
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except BaseException as problem:  # noqa: BLE001 (whoever waits gets it)
            answer.set_exception(problem)

    Thread(target=work, daemon=True).start()
    if not wait([answer], seconds).done:
        raise UnavailableError(
            "PROVIDER_UNAVAILABLE",
            f"{engine} has not answered for {seconds:.2g} s.",
            engine=engine,
            reason="no answer",
        )
    return answer.result()
