"""Whether this installation is well: its version, and which of its dependencies answers."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from ketbase.runtime import observability
from ketbase.types import Model

_PATIENCE_S = 5


class Health(Model):
    """The process is up."""

    status: Literal["ok"] = "ok"
    version: str


class Readiness(Model):
    """Whether work can be done.

    Attributes:
        dependencies: by port, `ok`, or what it answered instead.
    """

    status: Literal["ready", "not_ready"]
    dependencies: dict[str, str]


def look(checks: Mapping[str, Callable[[], None]]) -> Readiness:
    """Ask all dependencies at the same time, each with a few seconds to answer."""
    pool = ThreadPoolExecutor(max_workers=len(checks))
    asked = {name: pool.submit(check) for name, check in checks.items()}
    answers: dict[str, str] = {}
    for name, answer in asked.items():
        try:
            answer.result(timeout=_PATIENCE_S)
            answers[name] = "ok"
        except TimeoutError:
            answers[name] = f"no answer within {_PATIENCE_S} s"
        except Exception as problem:  # noqa: BLE001 (whatever it is, it is the answer)
            # Everybody may ask, and the text may hold names and addresses: it goes to the log alone.
            observability.log_exception("a dependency does not answer", dependency=name)
            answers[name] = f"does not answer ({type(problem).__name__})"
    pool.shutdown(wait=False, cancel_futures=True)
    well = all(answer == "ok" for answer in answers.values())
    return Readiness(status="ready" if well else "not_ready", dependencies=answers)
