"""Addresses to which files are sent where the store of blobs has none of its own: sealed, and good for a while."""

from datetime import datetime, timedelta

from ketbase.ports.clock import Clock
from ketbase.types import Model, Moment
from ketbase.vault import SealedError, Vault

PREFIX = "/uploads/"
"""What the paths of such addresses begin with."""


class _Upload(Model):
    purpose: str = "upload"
    key: str
    until: Moment


def upload_path(vault: Vault, clock: Clock, key: str, seconds: int) -> str:
    """Make the path to which a blob can be sent for so many seconds."""
    upload = _Upload(key=key, until=clock.now() + timedelta(seconds=seconds))
    return PREFIX + vault.seal(upload.model_dump_json())


def key_of(vault: Vault, now: datetime, path: str) -> str | None:
    """Read under which key a file that is sent to a path is kept; `None` if the path is not, or no more, good."""
    try:
        upload = _Upload.model_validate_json(vault.open(path.removeprefix(PREFIX)))
    except (SealedError, ValueError):
        return None
    return upload.key if upload.purpose == _Upload.model_fields["purpose"].default and now <= upload.until else None
