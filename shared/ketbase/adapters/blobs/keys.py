"""Which keys a blob may have."""

import re

LONGEST_KEY = 900

_KEY = re.compile(r"[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*")


def is_key(text: str) -> bool:
    """Tell whether every store of blobs can hold a blob under this key."""
    return (
        len(text) <= LONGEST_KEY
        and _KEY.fullmatch(text) is not None
        and not {".", ".."}.intersection(text.split("/"))
    )


def checked(key: str) -> str:
    """Return the key, if it is one.

    Raises:
        ValueError: it is too long, or some segment is empty, `.`, `..`, or has other letters than it may.
    """
    if not is_key(key):
        raise ValueError(
            f"{key[:100]!r} is no key: segments of A-Z a-z 0-9 _ . = - joined by /, none of them . or .., "
            f"{LONGEST_KEY} characters at most"
        )
    return key
