"""The form of every answer: success, data, meta, error."""

from datetime import UTC, datetime

from fastapi.responses import Response
from pydantic import Field

from ketbase.paging import Slice
from ketbase.runtime import observability
from ketbase.runtime.errors import ErrorBody, describe, headers_of
from ketbase.types import Model, Moment

API_VERSION = "v1"


class Meta(Model):
    """What goes with every answer."""

    timestamp: Moment = Field(default_factory=lambda: datetime.now(UTC))
    request_id: str = Field(default_factory=lambda: observability.request_id.get())
    version: str = API_VERSION


class ListMeta(Meta):
    """What goes with a list; `cursor` is `None` on its last page."""

    total: int
    limit: int
    offset: int
    cursor: str | None


class Envelope[T](Model):
    """An answer with one thing in it."""

    success: bool = True
    data: T
    meta: Meta = Field(default_factory=Meta)
    error: None = None

    @classmethod
    def of(cls, data: T) -> "Envelope[T]":
        """Wrap a thing."""
        return cls(data=data)


class Listing[T](Model):
    """An answer with one page of a list in it."""

    success: bool = True
    data: tuple[T, ...]
    meta: ListMeta
    error: None = None

    @classmethod
    def of(cls, page: Slice[T]) -> "Listing[T]":
        """Wrap a page."""
        meta = ListMeta(total=page.total, limit=page.request.limit, offset=page.request.offset, cursor=page.cursor)
        return cls(data=page.items, meta=meta)

    @classmethod
    def whole(cls, items: list[T]) -> "Listing[T]":
        """Wrap a list that is short enough to go on one page."""
        return cls(data=tuple(items), meta=ListMeta(total=len(items), limit=len(items), offset=0, cursor=None))


class Failure(Model):
    """An answer that says what went wrong."""

    success: bool = False
    data: None = None
    meta: Meta = Field(default_factory=Meta)
    error: ErrorBody


def error_response(problem: Exception) -> Response:
    """Answer with an exception."""
    return failure(*describe(problem))


def failure(status: int, error: ErrorBody) -> Response:
    """Answer with an error."""
    body = Failure(error=error).model_dump_json()
    return Response(body, status, headers=headers_of(status, error), media_type="application/json")
