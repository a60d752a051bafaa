"""Lists in pages: what a caller asks for, and what they get."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import Field

from ketbase.types import Model

MAX_LIMIT = 100
MAX_OFFSET = 10_000


class PageRequest(Model):
    """Which part of a list to show: `offset` counts from the start, `cursor` goes on behind an earlier page."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] = 0
    cursor: Annotated[str, Field(pattern=r"^[a-z]+_[0-9A-Z]{26}$")] | None = None
    descending: bool = True


class Identified(Protocol):
    """A thing with an id."""

    @property
    def id(self) -> str:
        """Unique, and later for what was made later."""


@dataclass(frozen=True, slots=True)
class Slice[T]:
    """One page of a list.

    Attributes:
        cursor: what to send to get the next page; `None` on the last one.
    """

    items: tuple[T, ...]
    total: int
    request: PageRequest
    cursor: str | None


def take[T: Identified](walk: Iterator[T], request: PageRequest, total: int) -> Slice[T]:
    """Cut one page out of a walk that begins behind the request's cursor."""
    wanted = itertools.islice(walk, request.offset, request.offset + request.limit + 1)
    items = tuple(wanted)
    shown, more = items[: request.limit], len(items) > request.limit
    return Slice(items=shown, total=total, request=request, cursor=shown[-1].id if more else None)
