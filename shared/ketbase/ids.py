"""Identifiers: a prefix that says what the thing is, and a ULID, so that ids sort by time of birth."""

from ulid import ULID


def new_id(prefix: str) -> str:
    """Make an identifier such as `job_01JD…`: the prefix, then 26 characters of Crockford's base 32.

    Its 80 random bits come from the operating system when it is made, so that two processes restored from one
    snapshot do not repeat each other.
    """
    return f"{prefix}_{ULID()}"
