"""What a route needs: the caller with a scope, the envelope, and the application around the router."""

import logging
from collections.abc import Callable
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from mangum import Mangum
from starlette.exceptions import HTTPException

from ketbase.accounts.types import Caller
from ketbase.errors import InvalidError, KetbaseError
from ketbase.paging import MAX_LIMIT, MAX_OFFSET, PageRequest
from ketbase.ports.records import BusyError
from ketbase.runtime import observability, wiring
from ketbase.runtime.envelope import Envelope, Failure, Listing, error_response, failure
from ketbase.runtime.errors import describe_http, describe_validation
from ketbase.runtime.guard import origin_of, requires, session_only, signed_in
from ketbase.runtime.headers import protect
from ketbase.runtime.middleware import RequestFrame
from ketbase.runtime.settings import settings

__all__ = [
    "Caller",
    "Envelope",
    "IdempotencyKey",
    "Listing",
    "application",
    "describe_application",
    "lambda_handler",
    "origin_of",
    "paged",
    "requires",
    "session_only",
    "signed_in",
]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Repeating a request under the same key answers with what the first one made.",
    ),
]


def _page(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="The most items on the page")] = 20,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET, description="Items to skip")] = 0,
    cursor: Annotated[str | None, Query(description="From `meta.cursor` of the page before")] = None,
    sort: Annotated[str, Query(description="`created_at` or `-created_at`, the newest first")] = "-created_at",
) -> PageRequest:
    if sort not in ("created_at", "-created_at"):
        raise InvalidError(
            "INVALID_SORT", f"Lists sort by created_at or -created_at, not by {sort!r}.", field="sort"
        )
    try:
        return PageRequest(limit=limit, offset=offset, cursor=cursor, descending=sort.startswith("-"))
    except ValueError as problem:
        raise InvalidError(
            "INVALID_CURSOR", "A cursor comes from meta.cursor of an earlier page.", field="cursor"
        ) from problem


paged: PageRequest = Depends(_page)
"""The default of a route's `page: PageRequest` parameter."""


def application(*routers: APIRouter) -> FastAPI:
    """Make the web application that serves some routes."""
    app = FastAPI(
        title="Ketbase",
        version=wiring.version(),
        summary="The serverless quantum backend.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # API Gateway does not redirect either.
        redirect_slashes=False,
        responses={
            "4XX": {"model": Failure, "description": "What was wrong, and what would be right"},
        },
    )
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(KetbaseError, _on_error)
    app.add_exception_handler(BusyError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_middleware(RequestFrame)
    protect(app, settings().origins)
    return app


def describe_application(app: FastAPI) -> dict[str, Any]:
    """Make the OpenAPI document of an application."""
    return app.openapi()


def lambda_handler(router: APIRouter) -> Callable[[dict[str, Any], Any], Any]:
    """Make the Lambda handler of one route, with everything that it calls wired."""
    wiring.warm_door()
    # Each request has its own line already, with the caller in it.
    logging.getLogger("mangum").setLevel(logging.WARNING)
    serve = Mangum(application(router), lifespan="off")

    def handler(event: dict[str, Any], context: Any) -> Any:
        """Serve one request; a function, for the tracer asks for a name."""
        return serve(event, context)

    return observability.traced(handler)


def _on_error(_request: Request, problem: Exception) -> Response:
    return error_response(problem)


def _on_validation_error(_request: Request, problem: Exception) -> Response:
    return failure(422, describe_validation(cast(RequestValidationError, problem).errors()))


def _on_http_error(_request: Request, problem: Exception) -> Response:
    refused = cast(HTTPException, problem)
    return failure(refused.status_code, describe_http(refused.status_code, refused.detail))
