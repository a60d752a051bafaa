"""What can go wrong for a caller: every error has a stable code, says what was wrong, and what would be right."""

from collections.abc import Mapping
from typing import Any


class KetbaseError(Exception):
    """The base of all errors that a caller may see.

    Attributes:
        code: stable, UPPER_SNAKE; clients branch on it.
        message: one or two sentences for people.
        details: machine-readable facts, such as the field, the line or the limit.
    """

    def __init__(self, code: str, message: str, **details: Any):
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: Mapping[str, Any] = details


class InvalidError(KetbaseError):
    """The request is well-formed but cannot be done as it stands."""


class InvalidCircuitError(InvalidError):
    """The circuit cannot be read, written, or run where it was asked to run."""


class UnauthenticatedError(KetbaseError):
    """Nobody vouches for this request."""


class ForbiddenError(KetbaseError):
    """The caller is known but lacks the scope."""


class BudgetError(KetbaseError):
    """There is no money for this."""


class RateLimitedError(KetbaseError):
    """Too many requests in too short a time.

    Attributes:
        retry_after_s: when trying again makes sense, in seconds from now.
    """

    def __init__(self, code: str, message: str, *, retry_after_s: int, **details: Any):
        super().__init__(code, message, retry_after_s=retry_after_s, **details)
        self.retry_after_s = retry_after_s


class NotFoundError(KetbaseError):
    """There is no such thing, or it belongs to someone else."""


class ConflictError(KetbaseError):
    """The thing is not in a state that allows this."""


class TooLargeError(KetbaseError):
    """The request is larger than a limit."""


class UnavailableError(KetbaseError):
    """Something this request needs does not answer; trying again later may help."""


class ExecutionError(KetbaseError):
    """A circuit that was accepted could not be executed; the job fails with this."""
