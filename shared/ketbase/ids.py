"""Identifiers: a prefix that says what the thing is, and a ULID, so that ids sort by time of birth."""

from datetime import datetime

from ulid import ULID, ULIDGenerator, constants

# Of its own: ids of one millisecond count up, until one of another millisecond comes between.
_at_moments = ULIDGenerator()


def new_id(prefix: str, moment: datetime | None = None) -> str:
    """Make an identifier such as `job_01JD…`: the prefix, then 26 characters of Crockford's base 32.

    It sorts by `moment`, which is now where none is given.

    Its 80 random bits come from the operating system when it is made, so that two processes restored from one
    snapshot do not repeat each other.
    """
    return f"{prefix}_{ULID() if moment is None else _at_moments.generate(moment)}"


def born_at(identifier: str) -> datetime | None:
    """Read from an id when it was made; `None` for a text that is none."""
    try:
        return ULID.from_str(identifier.rpartition("_")[2]).datetime
    except ValueError:
        return None


def id_floor(prefix: str, moment: datetime) -> str:
    """Give a text that sorts before all ids made at a moment or later, and behind all of earlier milliseconds."""
    # As ULIDGenerator counts, so that an id never lies on the wrong side of its own moment.
    milliseconds = max(int(moment.timestamp() * constants.MILLISECS_IN_SECS), 0)
    least = ULID.from_bytes(milliseconds.to_bytes(constants.TIMESTAMP_LEN, "big") + bytes(constants.RANDOMNESS_LEN))
    return f"{prefix}_{str(least)[: constants.TIMESTAMP_REPR_LEN]}"


def id_ceiling(prefix: str, moment: datetime) -> str:
    """Give a text that sorts behind all ids made at a moment or earlier, and before all of later milliseconds."""
    return f"{id_floor(prefix, moment)}~"
