"""Writes a line of the audit log in the same transaction as what it tells of.

A new line stands in the list of what is to be sealed (`Index.WORK`); the sealer numbers and chains it within a
minute. So writers never wait for each other, and nothing happens without its line.
"""

from typing import Any

from ketbase.accounts.types import Caller, Origin
from ketbase.audit import layout
from ketbase.audit.types import AuditLine
from ketbase.ids import new_id
from ketbase.ports.clock import Clock
from ketbase.ports.records import Absent, Index, Item, Put

SYSTEM = "system"


def line(clock: Clock, caller: Caller, action: str, target: str, **details: Any) -> Put:
    """Make the write that says a caller did something.

    Args:
        clock: the time.
        caller: who did it.
        action: such as `key.created`.
        target: the id of what it was done to.
        details: what else matters, never a secret.
    """
    return _put(
        clock,
        caller.organization_id,
        action,
        target,
        caller.user_id,
        caller.credential,
        caller.credential_id,
        caller.origin,
        details,
    )


def system_line(
    clock: Clock, organization_id: str, action: str, target: str, origin: Origin | None = None, **details: Any
) -> Put:
    """Make the write that says Ketbase itself did something, or somebody who had not signed in."""
    return _put(clock, organization_id, action, target, "", SYSTEM, "", origin or Origin(), details)


def _put(
    clock: Clock,
    organization_id: str,
    action: str,
    target: str,
    actor_id: str,
    credential: str,
    credential_id: str,
    origin: Origin,
    details: dict[str, Any],
) -> Put:
    now = clock.now()
    made = AuditLine(
        id=new_id(layout.ID_PREFIX, now),
        organization_id=organization_id,
        action=action,
        target=target,
        actor_id=actor_id,
        credential=credential,
        credential_id=credential_id,
        address=origin.address,
        agent=origin.agent,
        request_id=origin.request_id,
        details=details,
        timestamp=now,
    )
    waiting = {Index.WORK: layout.waiting(organization_id, made.id)}
    return Put(Item(layout.place(organization_id, made.id), made.model_dump(mode="json"), waiting), (Absent(),))
