"""A notice and where it goes."""

from typing import Literal

from ketbase.types import Model, Moment

type Channel = Literal["email", "slack"]


class Notice(Model):
    """One message to one place.

    Attributes:
        id: what it is about and to whom, so that the same notice is kept once.
        channel: how it goes.
        to: an address, or for Slack the webhook.
        subject: one line.
        text: plain text.
        tries: how often it was tried.
    """

    id: str
    organization_id: str
    channel: Channel
    to: str
    subject: str
    text: str
    created_at: Moment
    tries: int = 0
    last_error: str = ""
