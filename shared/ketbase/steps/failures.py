"""How a step says that its job failed, and what a workflow's engine makes of that."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ketbase.errors import KetbaseError, UnavailableError
from ketbase.jobs.types import JobError, JobReference
from ketbase.steps.ceiling import ENDED_BY_ALARM, JobOverError
from ketbase.steps.files import JobFiles
from ketbase.steps.types import StepFailure

_TOO_LONG = ("States.Timeout", "Sandbox.Timedout")
"""What Step Functions calls a step that took too long, and what it calls a Lambda that did."""
PROCESS_ENDED = "Runtime.ExitError"
"""What Lambda calls a process that a signal ended, such as the alarm of the ceiling, or want of memory."""

_OUT_OF_MEMORY, _OUT_OF_TIME = "OutOfMemory", "timeout"
"""What Batch's reasons for the end of a container hold."""


class StepFailedError(Exception):
    """A step failed in a way that trying again will not mend; its text is a `JobError` as JSON."""

    @classmethod
    def of(cls, error: JobError) -> "StepFailedError":
        """Fail with an error."""
        return cls(error.model_dump_json())


FINAL = frozenset({StepFailedError.__name__, JobOverError.__name__, PROCESS_ENDED})
"""The failures of a step that trying again will not mend; run.asl.json says the same of functions."""


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


def told(failure: StepFailure, files: JobFiles, reference: JobReference) -> StepFailure:
    """Put the failure that a container left in the place of what Batch says of it; others stay as they are.

    `Cause` is Batch's description of the job then, as JSON, with `JobId` and `StatusReason`.
    """
    job = _described(failure)
    if "JobId" not in job:
        return failure
    left = files.failure(reference)
    if left is not None and left.batch_job == job["JobId"]:
        said = {"errorType": left.error_type, "errorMessage": left.message}
        return StepFailure(Error=left.error_type, Cause=said)
    reasons = f"{job.get('StatusReason')} {(job.get('Container') or {}).get('Reason')}"
    if _OUT_OF_MEMORY in reasons:
        return StepFailure(Error=PROCESS_ENDED, Cause=reasons)
    if _OUT_OF_TIME in reasons:
        return StepFailure(Error=_TOO_LONG[0], Cause=reasons)
    return failure


def _described(failure: StepFailure) -> Mapping[str, Any]:
    cause = failure.Cause
    try:
        cause = json.loads(cause) if isinstance(cause, str) else cause
    except ValueError:
        return {}
    return cause if isinstance(cause, dict) else {}


def ended_at_ceiling(failure: StepFailure) -> bool:
    """Whether the alarm of the ceiling ended the step."""
    return failure.Error == PROCESS_ENDED and ENDED_BY_ALARM in str(failure.Cause).lower()


def error_of(failure: StepFailure) -> JobError:
    """Turn what the workflow engine caught into the job's error.

    For a Lambda that raised, `Cause` is JSON with `errorType` and `errorMessage`; ours carries a `JobError`.
    """
    cause = _described(failure)
    try:
        if cause.get("errorType") == StepFailedError.__name__:
            return JobError.model_validate_json(cause["errorMessage"])
        if cause.get("errorType") == UnavailableError.__name__:
            return JobError(code="PROVIDER_UNAVAILABLE", message=f"Given up: {cause['errorMessage']}")
    except (ValueError, AttributeError, KeyError):
        pass
    if failure.Error in _TOO_LONG:
        return JobError(code="JOB_TIMED_OUT", message="The run took longer than a step may take.")
    if failure.Error == PROCESS_ENDED:
        return JobError(code="PROCESS_ENDED", message="The process that ran it ended, perhaps for want of memory.")
    return JobError(code="INTERNAL", message="The run failed inside Ketbase.", details={"error": failure.Error})
