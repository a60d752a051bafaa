"""The chain: a sealed line carries its number, and a hash over itself and the hash of the line in front of it."""

import hashlib
import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from ketbase.audit.types import AuditLine, SealedLine
from ketbase.ports.records import Values
from ketbase.types import Model, Moment, iso

GENESIS = "0" * 64
"""What stands in place of a hash in front of the first line."""


class Head(Model):
    """The end of a chain: the number, the hash and `keep_until` of its last line."""

    sequence: int = 0
    hash: str = GENESIS
    until: Moment | None = None


def digest(line: Values) -> str:
    """Compute the hash of a sealed line, as it is kept: its fields in order of their names, as JSON in ASCII."""
    own = {name: value for name, value in line.items() if name not in ("hash", "previous")}
    text = json.dumps(own, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{line.get('previous')}\n{text}".encode()).hexdigest()


def seal(lines: Iterable[Values], head: Head, keep: timedelta) -> tuple[list[dict[str, Any]], Head]:
    """Number lines and chain them behind `head`.

    The same lines behind the same head give the same chain, whoever seals them and whenever.

    Args:
        lines: unsealed, in order, as they are kept.
        head: what they follow.
        keep: how long a line is kept.

    Returns:
        The sealed lines, as they are to be kept, and the new head.
    """
    sealed = []
    for line in lines:
        due = AuditLine.model_validate(line).timestamp + keep
        until = max(due, head.until or due)
        values = {
            **line,
            "sequence": head.sequence + 1,
            "keep_until": iso(until),
            "previous_until": None if head.until is None else iso(head.until),
            "previous": head.hash,
        }
        values["hash"] = digest(values)
        sealed.append(values)
        head = Head(sequence=head.sequence + 1, hash=values["hash"], until=until)
    return sealed, head


def head_at(line: SealedLine) -> Head:
    """Give the head that a chain has which ends in `line`."""
    return Head(sequence=line.sequence or 0, hash=line.hash, until=line.keep_until)


def head_before(line: SealedLine) -> Head:
    """Give the head of the chain that `line` says it follows."""
    return Head(sequence=(line.sequence or 0) - 1, hash=line.previous, until=line.previous_until)


def own_fields(line: Values) -> dict[str, Any]:
    """Give what a line had before it was sealed."""
    return {name: value for name, value in line.items() if name in AuditLine.model_fields}
