"""Keeps a notice in the same transaction as what it tells of; the deliverer sends it and takes it away."""

import hashlib

from ketbase.notices.types import Channel, Notice
from ketbase.ports.clock import Clock
from ketbase.ports.records import Index, Item, Key, Put
from ketbase.types import iso

WAITING = "notices#waiting"
"""The partition, in the index of work, of the notices of all organisations that are to be sent."""


def place(notice_id: str) -> Key:
    """Where a notice lies."""
    return Key(f"notice#{notice_id}", "notice")


def notice(
    clock: Clock, organization_id: str, channel: Channel, to: str, subject: str, text: str, *, about: str
) -> Put:
    """Make the write that keeps a notice.

    Args:
        clock: the time.
        organization_id: whose it is; empty for one to somebody who has none yet.
        channel: how it goes.
        to: an address, or for Slack the webhook.
        subject: one line.
        text: plain text.
        about: what it is about; the same `about` to the same place is one notice, however often it is written
            before it is delivered.
    """
    now = clock.now()
    name = hashlib.sha256(f"{channel}\n{to}\n{about}".encode()).hexdigest()[:32]
    made = Notice(
        id=name,
        organization_id=organization_id,
        channel=channel,
        to=to,
        subject=subject,
        text=text,
        created_at=now,
    )
    waiting = {Index.WORK: Key(WAITING, f"{iso(now)}#{name}")}
    return Put(Item(place(name), made.model_dump(mode="json"), waiting))
