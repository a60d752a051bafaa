"""What a container runs in place of a Lambda: one call of a function's handler, from beginning to end.

    python -m ketbase.runtime.batch functions.run.execute.app.handler '{"organization_id": …, "job_id": …}'

The handler runs in a process of its own. The first process of a container ignores the alarm of the ceiling, and one
that was killed for want of memory could say nothing; the process that watches it can. What went wrong is written to
the job's `failure.json`, for all that Step Functions is told of a container is that it ended.
"""

import importlib
import json
import os
import signal
import sys
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from ketbase.processes import die_with
from ketbase.steps.failures import FINAL, PROCESS_ENDED
from ketbase.steps.files import FAILURE
from ketbase.steps.types import JobFailure

DONE, REFUSED, PASSING = 0, 1, 75
"""How the process ends: well; in a way that trying again will not mend; in one that may have been passing."""
_STOPPED = 128 + signal.SIGTERM


def main(arguments: list[str]) -> int:
    """Call a handler with a payload, and return the exit status.

    Args:
        arguments: the handler, as an image function names it, and the payload as JSON.
    """
    handler, payload = arguments
    failure = _call(handler, payload)
    if failure is None:
        return DONE
    _tell(json.loads(payload), failure)
    return REFUSED if failure.error_type in FINAL else PASSING


def _call(handler: str, payload: str) -> JobFailure | None:
    """Call a handler in a process that ends with this one."""
    spawn = get_context("spawn")
    hears, tells = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_work, args=(handler, payload, tells, os.getpid()))
    process.start()
    tells.close()

    def stop(_number: int, _frame: FrameType | None) -> None:
        process.kill()
        os._exit(_STOPPED)

    signal.signal(signal.SIGTERM, stop)
    try:
        error_type, message = hears.recv()
    except EOFError:
        process.join()
        return _ended(process.exitcode or 0)
    process.join()
    return JobFailure(batch_job=_batch_job(), error_type=error_type, message=message) if error_type else None


def _work(handler: str, payload: str, tells: Connection, parent: int) -> None:
    die_with(parent)
    try:
        module, _, name = handler.rpartition(".")
        getattr(importlib.import_module(module), name)(json.loads(payload), None)
        tells.send((None, ""))
    except Exception as problem:  # noqa: BLE001 (it goes to the workflow as Lambda would tell it)
        tells.send((type(problem).__name__, str(problem)))


def _ended(status: int) -> JobFailure:
    """Say how a process ended that said nothing, in the words of Lambda."""
    how = f"signal: {signal.strsignal(-status)}" if status < 0 else f"exit status {status}"
    return JobFailure(
        batch_job=_batch_job(), error_type=PROCESS_ENDED, message=f"Runtime exited with error: {how.lower()}"
    )


def _tell(payload: dict[str, Any], failure: JobFailure) -> None:
    from ketbase.jobs.types import JobReference
    from ketbase.runtime import observability, wiring

    reference = JobReference.model_validate(payload)
    try:
        wiring.job_files().keep(reference, FAILURE, failure)
    except Exception:  # noqa: BLE001 (the exit status is told either way)
        observability.log_exception("the failure could not be told", **payload)


def _batch_job() -> str:
    return os.environ.get("AWS_BATCH_JOB_ID", "")


if __name__ == "__main__":
    from ketbase.runtime import observability
    from ketbase.runtime.settings import settings

    if settings().batch_queue == "local":
        observability.log_to(settings().data / observability.LOG)
        die_with(os.getppid())
    sys.exit(main(sys.argv[1:]))
