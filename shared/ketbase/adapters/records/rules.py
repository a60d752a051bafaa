"""What every store of records refuses, and how they all order and expire items."""

import math
from collections.abc import Iterable, Sequence

from ketbase.ports.clock import Clock
from ketbase.ports.records import MAX_WRITES, Check, Delete, Index, Key, Put, Update, Write

OWN_NAMES = frozenset(
    {"partition", "sort", "expires_at", "written_by"}
    | {f"{index}_{part}" for index in Index for part in ("partition", "sort")}
)
"""Field names that the stores keep for themselves."""

_LONGEST_PARTITION, _LONGEST_SORT = 2_048, 1_024
"""Bytes that DynamoDB takes in the two parts of a key."""
_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def refuse_invalid(writes: Sequence[Write]) -> None:
    """Refuse what not every store can hold.

    Raises:
        ValueError: more than `MAX_WRITES` writes, two on the same key, an empty or too long key, a field with a
            name of `OWN_NAMES`, or a field that one update changes twice.
    """
    if len(writes) > MAX_WRITES:
        raise ValueError(f"{len(writes)} writes at once; at most {MAX_WRITES} are possible")
    keys = [_key(write) for write in writes]
    if len(set(keys)) < len(keys):
        raise ValueError("two writes on the same key")
    for write, key in zip(writes, keys, strict=True):
        if not all(key) or not all(all(placed) for placed in _index_keys(write)):
            raise ValueError(f"a part of a key is empty in the write on {key}")
        if not fits(key):
            raise ValueError(f"the key that begins {key.sort[:100]!r} is too long")
        names = _names(write)
        if own := OWN_NAMES.intersection(names):
            raise ValueError(f"the field names {sorted(own)} belong to the store")
        if len(set(names)) < len(names):
            raise ValueError(f"the update of {key} changes a field twice")


def fits(key: Key) -> bool:
    """Tell whether every store can hold an item under this key; callers may ask for any, but none lies there."""
    return len(key.partition.encode()) <= _LONGEST_PARTITION and len(key.sort.encode()) <= _LONGEST_SORT


def successor(prefix: str) -> str | None:
    """Find the least string above all that begin with `prefix`; `None` if there is no such bound.

    Order is by code point, which is also the byte order of UTF-8.
    """
    stem = prefix.rstrip(chr(_LAST_CODE_POINT))
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)


def horizon(clock: Clock) -> int:
    """The second such that an item has expired if and only if its `expires_at` lies below it."""
    return math.ceil(clock.now().timestamp())


def _key(write: Write) -> Key:
    return write.item.key if isinstance(write, Put) else write.key


def _index_keys(write: Write) -> Iterable[Key]:
    match write:
        case Put(item):
            return item.indexes.values()
        case Update(indexes=indexes):
            return [key for key in indexes.values() if key is not None]
        case Delete() | Check():
            return ()


def _names(write: Write) -> list[str]:
    match write:
        case Put(item):
            return list(item.values)
        case Update():
            return [*write.set, *write.add, *write.remove]
        case Delete() | Check():
            return []
