"""How a step says that its job failed, and what a workflow's engine makes of that."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from ketbase.errors import KetbaseError, UnavailableError
from ketbase.jobs.types import JobError
from ketbase.steps.ceiling import ENDED_BY_ALARM
from ketbase.steps.types import StepFailure

_TOO_LONG = ("States.Timeout", "Sandbox.Timedout")
"""What Step Functions calls a step that took too long, and what it calls a Lambda that did."""
_PROCESS_ENDED = "Runtime.ExitError"
"""What Lambda calls a process that a signal ended, such as the alarm of the ceiling, or want of memory."""


class StepFailedError(Exception):
    """A step failed in a way that trying again will not mend; its text is a `JobError` as JSON."""

    @classmethod
    def of(cls, error: JobError) -> "StepFailedError":
        """Fail with an error."""
        return cls(error.model_dump_json())


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what a block refuses into the step's failure; what is merely away is asked again by the workflow."""
    try:
        yield
    except UnavailableError:
        raise
    except KetbaseError as problem:
        raise StepFailedError.of(job_error(problem)) from problem


def job_error(problem: KetbaseError) -> JobError:
    """Put an error of ours into a job."""
    return JobError(code=problem.code, message=problem.message, details=dict(problem.details))


def ended_at_ceiling(failure: StepFailure) -> bool:
    """Whether the alarm of the ceiling ended the step."""
    return failure.Error == _PROCESS_ENDED and ENDED_BY_ALARM in str(failure.Cause).lower()


def error_of(failure: StepFailure) -> JobError:
    """Turn what the workflow engine caught into the job's error.

    For a Lambda that raised, `Cause` is JSON with `errorType` and `errorMessage`; ours carries a `JobError`.
    """
    cause = failure.Cause
    try:
        cause = json.loads(cause) if isinstance(cause, str) else cause
        if cause.get("errorType") == StepFailedError.__name__:
            return JobError.model_validate_json(cause["errorMessage"])
        if cause.get("errorType") == UnavailableError.__name__:
            return JobError(code="PROVIDER_UNAVAILABLE", message=f"Given up: {cause['errorMessage']}")
    except (ValueError, AttributeError, KeyError):
        pass
    if failure.Error in _TOO_LONG:
        return JobError(code="JOB_TIMED_OUT", message="The run took longer than a step may take.")
    if failure.Error == _PROCESS_ENDED:
        return JobError(code="PROCESS_ENDED", message="The process that ran it ended, perhaps for want of memory.")
    return JobError(code="INTERNAL", message="The run failed inside Ketbase.", details={"error": failure.Error})
