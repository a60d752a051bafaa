"""Months by name, such as `2026-01`, in UTC."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import StringConstraints

type Month = Annotated[str, StringConstraints(pattern=r"^20\d\d-(0[1-9]|1[0-2])$")]


def begin(month: str) -> datetime:
    """The first moment of a month."""
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)


def end(month: str) -> datetime:
    """The first moment of the month that follows."""
    return (begin(month) + timedelta(days=31)).replace(day=1)


def month_before(month: str) -> str:
    """The name of the month before."""
    return f"{begin(month) - timedelta(days=1):%Y-%m}"
