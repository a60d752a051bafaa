"""Where organisations, users, invitations and API keys lie."""

import hashlib
import string

from ketbase.ports.records import Key

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

FIRST_OWNER = Key("installation", "first-owner")
"""Who was founded with the installation."""

ERASING = "organizations#erasing"
"""The partition, in the index of work, of the organisations that are being erased."""


def partition(organization_id: str) -> str:
    """Where an organisation lies, with most of what it owns."""
    return f"org#{organization_id}"


def organization(organization_id: str) -> Key:
    """Where an organisation's own item lies."""
    return Key(partition(organization_id), "organization")


def user(organization_id: str, user_id: str) -> Key:
    """Where a user lies; the organisation is part of it, so that no other finds them."""
    return Key(partition(organization_id), f"user#{user_id}")


def email(address: str) -> Key:
    """Where it is kept whose address this is: one user's in the whole installation, however it is capitalised."""
    return Key(f"email#{_digest(folded(address))}", "user")


def folded(address: str) -> str:
    """Write an address as all are compared: A to Z become small, and nothing else changes.

    To fold as Unicode does would make one of `straße@` and `strasse@`, which may be two people's.
    """
    return address.translate(_LOWER)


# --- API keys ---


def key(api_key: str) -> Key:
    """Where a key lies: it has 142 random bits, so that a plain hash cannot be turned back by guessing."""
    return Key(f"key#{_digest(api_key)}", "key")


def keys(organization_id: str) -> str:
    """The partition that names an organisation's keys, in order of their ids."""
    return f"org#{organization_id}#keys"


def keys_of(organization_id: str, user_id: str) -> str:
    """The partition that names a user's keys."""
    return f"org#{organization_id}#keys#{user_id}"


def bucket(who: str) -> Key:
    """Where the last use of a key (`key_…`) or of a user's sessions (`user_…`) is kept, beside their requests."""
    return Key(f"bucket#{who}", "bucket")


# --- Invitations ---


def invitations(organization_id: str) -> str:
    """The partition of an organisation's invitations, in order of their ids."""
    return f"org#{organization_id}#invitations"


def inviter(organization_id: str) -> str:
    """Whose bucket it is in which an organisation's invitations are counted."""
    return f"invitations#{organization_id}"


def invitation(organization_id: str, invitation_id: str) -> Key:
    """Where an invitation lies."""
    return Key(invitations(organization_id), invitation_id)


def invited(organization_id: str, address: str) -> Key:
    """Where it is kept which invitation an address has to an organisation."""
    return Key(f"org#{organization_id}#invited", _digest(folded(address)))


def token(invitation_token: str) -> Key:
    """Where it is kept which invitation a token accepts; the token has 256 random bits."""
    return Key(f"invitation#{_digest(invitation_token)}", "invitation")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
