"""What providers' REST APIs have in common: how often a reading is tried, and what an answer says of time."""

import math
from datetime import UTC, datetime
from typing import Any

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

from ketbase.backends.types import Engine
from ketbase.errors import UnavailableError

_READ_TRIES = 3
_BACKOFF_S = 0.2


def reading_retries() -> Retry:
    """Say how often what only reads is sent; what changes something is sent once."""
    return Retry(
        total=_READ_TRIES - 1,
        backoff_factor=_BACKOFF_S,
        status_forcelist=(500, 502, 503, 504),
        allowed_methods=("GET",),
        respect_retry_after_header=False,  # whoever asks us waits, not this process
        raise_on_status=False,
    )


def unavailable(engine: Engine, message: str, reason: str, retry_after_s: int | None = None) -> UnavailableError:
    """Return the error of something that may pass."""
    later = {} if retry_after_s is None else {"retry_after_s": retry_after_s}
    return UnavailableError("PROVIDER_UNAVAILABLE", f"{message}.", engine=engine, reason=reason, **later)


def retry_after(answer: requests.Response) -> int | None:
    """Read after how many seconds to come back, where the answer says it."""
    try:
        return math.ceil(Retry().parse_retry_after(answer.headers["Retry-After"]))
    except (KeyError, InvalidHeader):
        return None


def moment(text: Any) -> datetime | None:
    """Read a moment, in UTC also where it does not say so."""
    if not text:
        return None
    read = datetime.fromisoformat(str(text))
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
