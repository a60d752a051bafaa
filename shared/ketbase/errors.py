"""What can go wrong for a caller: every error has a stable code, says what was wrong, and what would be right."""

from collections.abc import Mapping
from typing import Any, ClassVar


class KetbaseError(Exception):
    """The base of all errors that a caller may see.

    Attributes:
        status: the HTTP status that goes with errors of this kind.
        code: stable, UPPER_SNAKE; clients branch on it.
        message: one or two sentences for people.
        details: machine-readable facts, such as the field, the line or the limit.
    """

    status: ClassVar[int] = 500

    def __init__(self, code: str, message: str, **details: Any):
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: Mapping[str, Any] = details


class InvalidError(KetbaseError):
    """The request is well-formed but cannot be done as it stands."""

    status = 422


class InvalidCircuitError(InvalidError):
    """The circuit cannot be read, written, or run where it was asked to run."""


class UnauthenticatedError(KetbaseError):
    """Nobody vouches for this request."""

    status = 401


class ForbiddenError(KetbaseError):
    """The caller is known but lacks the scope."""

    status = 403


class NotFoundError(KetbaseError):
    """There is no such thing, or it belongs to someone else."""

    status = 404


class ConflictError(KetbaseError):
    """The thing is not in a state that allows this."""

    status = 409


class TooLargeError(KetbaseError):
    """The request is larger than a limit."""

    status = 413


class UnavailableError(KetbaseError):
    """Something this request needs does not answer; trying again later may help."""

    status = 503


class ExecutionError(KetbaseError):
    """A circuit that was accepted could not be executed; the job fails with this."""
