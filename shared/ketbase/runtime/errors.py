"""The one table that turns what went wrong into an HTTP status and the envelope's error."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ketbase.errors import (
    BudgetError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    KetbaseError,
    NotFoundError,
    RateLimitedError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
)
from ketbase.ports.records import BusyError
from ketbase.types import Model

STATUS: dict[type[Exception], int] = {
    UnauthenticatedError: 401,
    BudgetError: 402,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    TooLargeError: 413,
    InvalidError: 422,
    RateLimitedError: 429,
    UnavailableError: 503,
    BusyError: 503,
}

_OF_STATUS = {
    400: "BAD_REQUEST",
    404: "ROUTE_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "BODY_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
}
_SHOWN_PROBLEMS = 20
_SHOWN_INPUT = 100
_SECRET = re.compile(r"password|secret|token|otp|code|webhook|credential|x-api-key|authorization", re.IGNORECASE)
"""Names of fields whose values are not said again."""


class ErrorBody(Model):
    """The `error` of an envelope."""

    code: str
    message: str
    details: dict[str, Any]


def describe(problem: Exception) -> tuple[int, ErrorBody]:
    """Give the HTTP status and the error body for an exception; what is not known is a 500 that tells nothing."""
    status = next((STATUS[kind] for kind in type(problem).__mro__ if kind in STATUS), 500)
    if isinstance(problem, KetbaseError):
        return status, ErrorBody(code=problem.code, message=problem.message, details=dict(problem.details))
    if isinstance(problem, BusyError):
        return status, ErrorBody(code="BUSY", message="Too many writers at once; try again.", details={})
    return 500, ErrorBody(
        code="INTERNAL",
        message="Something broke on our side; the request id finds it in the logs.",
        details={},
    )


def headers_of(status: int, error: ErrorBody) -> dict[str, str]:
    """Give the headers that go with an error: how to authenticate, or when to come again."""
    if status == 401:
        told = "" if error.code == "NOT_AUTHENTICATED" else ', error="invalid_token"'
        return {"WWW-Authenticate": f'Bearer realm="ketbase"{told}'}
    wait = error.details.get("retry_after_s")
    return {} if wait is None else {"Retry-After": str(wait)}


def describe_http(status: int, detail: object) -> ErrorBody:
    """Give the error body for what the web framework refused by itself."""
    return ErrorBody(code=_OF_STATUS.get(status, f"HTTP_{status}"), message=str(detail), details={})


def describe_validation(problems: Iterable[Mapping[str, Any]]) -> ErrorBody:
    """Give the error body for a request whose fields do not validate: each field, and what is wrong with it."""
    fields = [_field(problem) for problem in problems]
    if fields and fields[0]["type"] == "json_invalid":
        return ErrorBody(
            code="MALFORMED_JSON", message=f"The body is not JSON: {fields[0]['message']}.", details=fields[0]
        )
    first = fields[0] if fields else {"field": "body", "message": "is not valid"}
    more = f" ({len(fields) - 1} more in details)" if len(fields) > 1 else ""
    return ErrorBody(
        code="VALIDATION_ERROR",
        message=f"{first['field']}: {first['message']}{more}",
        details={"fields": fields[:_SHOWN_PROBLEMS], "count": len(fields)},
    )


def _field(problem: Mapping[str, Any]) -> dict[str, Any]:
    location = [str(part) for part in problem["loc"]]
    if location and location[0] in ("body", "query", "path", "header") and len(location) > 1:
        location = location[1:]
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "json_invalid":
        message = str(problem.get("ctx", {}).get("error", message))
    field = {"field": ".".join(location), "message": message, "type": problem["type"]}
    given = problem.get("input")
    # A field that nobody knows may be a secret under a wrong name.
    secret = _SECRET.search(field["field"]) or problem["type"] == "extra_forbidden"
    if not secret and isinstance(given, str | int | float | bool):
        field["input"] = str(given)[:_SHOWN_INPUT]
    return field
