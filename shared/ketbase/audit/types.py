"""A line of the audit log."""

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
        previous: the hash of the line before it.
        hash: SHA-256 over `previous` and this line's own fields.
    """

    sequence: int | None = None
    previous: str = ""
    hash: str = ""
