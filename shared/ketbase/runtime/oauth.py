"""What the OAuth routes speak: bodies as JSON or as a form, and errors without an envelope (RFC 6749)."""

import json
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import ValidationError

from ketbase.errors import InvalidError, KetbaseError
from ketbase.ports.records import BusyError
from ketbase.runtime.envelope import Failure
from ketbase.runtime.errors import ErrorBody, describe, headers_of
from ketbase.types import Model

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_FORM = "application/x-www-form-urlencoded"
_LONGEST_FIELD = 8_192
_MOST_FIELDS = 20
_IN_THE_REQUEST = (401, 422)
"""Statuses of the common table in whose place RFC 6749 wants 400."""


class OAuthFailure(Model):
    """What went wrong (RFC 6749, section 5.2)."""

    error: str
    error_description: str


ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "model": OAuthFailure | Failure,
        "description": "What was wrong; a body that is not text has an envelope",
    }
}
"""What to say in the OpenAPI document of such a route."""


class OAuthRoute(APIRoute):
    """A route that answers errors as RFC 6749 wants them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the translation of errors around the route."""
        serve = super().get_route_handler()

        async def translated(request: Request) -> Response:
            try:
                return await serve(request)
            except (KetbaseError, BusyError) as problem:
                return _failed(*describe(problem))
            except RequestValidationError:
                return _failed(400, ErrorBody(code="INVALID_REQUEST", message="The body does not fit.", details={}))

        return translated


def _failed(status: int, error: ErrorBody) -> Response:
    body = OAuthFailure(error=error.code.lower(), error_description=error.message)
    shown = 400 if status in _IN_THE_REQUEST else status
    headers = NO_STORE | headers_of(shown, error)
    return Response(body.model_dump_json(), shown, headers=headers, media_type="application/json")


async def _fields(request: Request) -> dict[str, str]:
    body = await request.body()
    given = _of_form(body) if request.headers.get("content-type", "").startswith(_FORM) else _of_json(body)
    if len(given) > _MOST_FIELDS or not all(
        isinstance(value, str) and len(value) <= _LONGEST_FIELD for value in given.values()
    ):
        raise invalid_request("All fields are texts.")
    return given


def _of_form(body: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as problem:
        raise invalid_request("The form cannot be read.") from problem
    if len(dict(pairs)) < len(pairs):
        raise invalid_request("A field comes twice.")
    return dict(pairs)


def _of_json(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise invalid_request("The body is neither a form nor JSON.") from problem
    if not isinstance(given, dict):
        raise invalid_request("The body is an object.")
    return {name: value for name, value in given.items() if value is not None}


def invalid_request(message: str) -> InvalidError:
    """Say that a request is not one of RFC 6749."""
    return InvalidError("INVALID_REQUEST", message)


fields: Any = Depends(_fields)
"""The default of a route's parameter that takes the body's fields."""


def body_of(model: type[Model]) -> dict[str, Any]:
    """Describe a body, for the OpenAPI document, that comes as JSON or as a form."""
    schema = model.model_json_schema()
    content = {"application/json": {"schema": schema}, _FORM: {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def read[T: Model](model: type[T], given: dict[str, str]) -> T:
    """Read the fields that a model knows; RFC 6749 wants the others ignored.

    Raises:
        InvalidError: `INVALID_REQUEST`.
    """
    try:
        return model.model_validate({name: value for name, value in given.items() if name in model.model_fields})
    except ValidationError as problem:
        wrong = sorted({str(each["loc"][0]) for each in problem.errors() if each["loc"]})
        raise invalid_request(f"These fields are missing or wrong: {', '.join(wrong)}.") from problem
