"""Lines of the audit log, and what a look at all of them found."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from ketbase.types import Model, Moment


class AuditLine(Model):
    """Something that somebody did.

    Attributes:
        action: the thing and what was done to it, such as `key.created` or `budget.updated`.
        target: the id of what it was done to.
        actor_id: the user who did it; empty where nobody had signed in.
        credential: `key`, `session`, or `system` for what Ketbase did by itself.
        address: where the request came from.
        details: what else matters, never a secret.
    """

    id: str
    organization_id: str
    action: str
    target: str
    actor_id: str
    credential: str
    credential_id: str
    address: str
    agent: str
    request_id: str
    details: dict[str, Any] = Field(default_factory=dict)
    timestamp: Moment


class SealedLine(AuditLine):
    """A line in the chain; a line that is not sealed yet has no number.

    Attributes:
        sequence: its number in the organisation's chain, from 1, without gaps.
        keep_until: when it may be forgotten; never before the line in front of it.
        previous_until: `keep_until` of the line in front of it; that one may be missing from then on.
        previous: the hash of the line in front of it.
        hash: SHA-256 over `previous` and all other fields of this line.
    """

    sequence: int | None = None
    keep_until: Moment | None = None
    previous_until: Moment | None = None
    previous: str = ""
    hash: str = ""


class AuditFilter(Model):
    """Which lines to show; an empty field takes all.

    Attributes:
        action: exactly this one, or with a last `*` all that begin so, such as `key.*`.
        start: none before this moment.
        end: none from this moment on.
    """

    action: str = ""
    actor_id: str = ""
    target: str = ""
    start: Moment | None = None
    end: Moment | None = None

    @property
    def empty(self) -> bool:
        """Whether it takes all lines."""
        return self == AuditFilter()

    def takes(self, line: AuditLine) -> bool:
        """Say whether a line is one to show."""
        named = line.action == self.action or (
            self.action.endswith("*") and line.action.startswith(self.action.removesuffix("*"))
        )
        return (
            (not self.action or named)
            and (not self.actor_id or line.actor_id == self.actor_id)
            and (not self.target or line.target == self.target)
            and (self.start is None or line.timestamp >= self.start)
            and (self.end is None or line.timestamp < self.end)
        )


class Tampering(StrEnum):
    """What can be wrong with a log."""

    ALTERED = "altered"
    REMOVED = "removed"
    REORDERED = "reordered"
    INSERTED = "inserted"
    UNNUMBERED = "unnumbered"
    SHORTENED = "shortened"


class Finding(Model):
    """The first thing that is wrong with a log.

    Attributes:
        where: `records`, `archive` or `head`.
        sequence: the number in the chain at which it shows; `None` for a line without a number.
        line_id: of the line that it is about, where that is known.
    """

    kind: Tampering
    where: str
    sequence: int | None
    line_id: str = ""
    message: str


class Verification(Model):
    """What a look at one organisation's whole log found.

    Attributes:
        lines: sealed lines in the records.
        archived: lines in the archive.
        unsealed: lines that wait to be sealed.
    """

    organization_id: str
    lines: int
    archived: int
    unsealed: int
    finding: Finding | None
