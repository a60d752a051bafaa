"""The web application of the local stack: every route of template.yaml in one."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, FastAPI
from fastapi.responses import Response

from ketbase.adapters.blobs.files import FileBlobs
from ketbase.datasets.types import MAX_UPLOAD_BYTES
from ketbase.local.metrics import PrometheusMeter
from ketbase.local.template import Template
from ketbase.local.uploads import UploadDoor
from ketbase.runtime import wiring
from ketbase.runtime.http import application
from ketbase.runtime.uploads import key_of

_REQUESTS = 500
"""The most requests served at one moment: whoever waits for a job's result holds a thread."""


def web_application(template: Template, meter: PrometheusMeter | None = None) -> FastAPI:
    """Put the routers of all route functions into one application, and `GET /metrics` beside them."""
    routers: list[APIRouter] = [f.load().router for f in template.functions.values() if f.route]
    if meter is not None:
        routers.append(_metrics_router(meter))
    app = application(*literal_first(routers))
    app.router.lifespan_context = _with_room
    take_uploads(app)
    return app


def literal_first(routers: Iterable[APIRouter]) -> list[APIRouter]:
    """Order routers such that `/users/me` is found before `/users/{user_id}`, as API Gateway does it."""
    return sorted(routers, key=lambda router: [getattr(route, "path", "").count("{") for route in router.routes])


@asynccontextmanager
async def _with_room(_app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = _REQUESTS
    yield


def take_uploads(app: FastAPI) -> None:
    """Take files where the store of blobs does not do it itself."""
    blobs = wiring.blobs()
    if isinstance(blobs, FileBlobs):
        app.add_middleware(
            UploadDoor,
            blobs=blobs,
            key_of=lambda path: key_of(wiring.vault(), wiring.clock().now(), path),
            limit_bytes=MAX_UPLOAD_BYTES,
        )


def _metrics_router(meter: PrometheusMeter) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/metrics")
    def read_metrics() -> Response:
        return Response(meter.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router
