"""Identifiers: a prefix that says what the thing is, and a ULID, so that ids sort by time of birth."""

from datetime import datetime

from ulid import ULID, ULIDGenerator

# Of its own: ids of one millisecond count up, until one of another millisecond comes between.
_at_moments = ULIDGenerator()


def new_id(prefix: str, moment: datetime | None = None) -> str:
    """Make an identifier such as `job_01JD…`: the prefix, then 26 characters of Crockford's base 32.

    It sorts by `moment`, which is now where none is given.

    Its 80 random bits come from the operating system when it is made, so that two processes restored from one
    snapshot do not repeat each other.
    """
    return f"{prefix}_{ULID() if moment is None else _at_moments.generate(moment)}"
