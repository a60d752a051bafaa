"""Keeps what a user signs in with: a password, a second factor, and the link to an identity provider."""

import hashlib
from typing import Any

from ketbase.ports.records import Absent, Delete, Equals, Item, Key, Put, Records, Update, Write
from ketbase.types import Model


class Credentials(Model):
    """What a user signs in with; none of it can be read back into a secret without the installation's own.

    Attributes:
        password_hash: Argon2id; `None` for who signs in elsewhere, or has not chosen a password yet.
        totp_secret: of the second factor, sealed; `None` while there is none.
        totp_offered: a sealed secret that waits for its first code.
        totp_step: the time step of the last code that was taken; no code of it or before is taken again.
        recovery_codes: hashes of those that are left.
        email_proved: whether they have shown that mails to their address reach them.
        generation: counts the times that all sessions ended; those of an earlier generation are over.
        identity: where the link to the identity provider's account lies, if there is one.
        version: counts the changes, from 1, so that of two at once only one happens.
    """

    organization_id: str
    user_id: str
    password_hash: str | None = None
    totp_secret: str | None = None
    totp_offered: str | None = None
    totp_step: int = 0
    recovery_codes: tuple[str, ...] = ()
    email_proved: bool = False
    generation: int = 0
    identity: str | None = None
    version: int = 1


def generation_of(item: Item | None) -> int:
    """Read of a user's credentials, if they have any, which generation of sessions is good."""
    return 0 if item is None else int(item.values.get("generation", 0))


def place(organization_id: str, user_id: str) -> Key:
    """Where a user's credentials lie."""
    return Key(f"org#{organization_id}", f"credentials#{user_id}")


class CredentialStore:
    """Credentials, each changed only as it was read."""

    def __init__(self, records: Records):
        self._records = records

    def get(self, organization_id: str, user_id: str) -> Credentials | None:
        """Read a user's credentials."""
        item = self._records.get(place(organization_id, user_id))
        return None if item is None else Credentials.model_validate(item.values)

    def first(
        self, organization_id: str, user_id: str, password_hash: str | None, *, email_proved: bool = False
    ) -> Put:
        """Make the write that gives a new user credentials."""
        made = Credentials(
            organization_id=organization_id,
            user_id=user_id,
            password_hash=password_hash,
            email_proved=email_proved,
        )
        return Put(Item(place(organization_id, user_id), made.model_dump(mode="json")), (Absent(),))

    def none(self, organization_id: str, user_id: str) -> Credentials:
        """Give the credentials of a user who has none yet; `change` makes them."""
        return Credentials(organization_id=organization_id, user_id=user_id, version=0)

    def change(self, known: Credentials, **fields: Any) -> Put | Update:
        """Make the write that changes some fields, if nobody changed any since `known` was read."""
        whose = place(known.organization_id, known.user_id)
        if known.version == 0:
            return Put(Item(whose, {**known.model_dump(mode="json"), **fields, "version": 1}), (Absent(),))
        return Update(whose, set=fields, add={"version": 1}, when=(Equals("version", known.version),))

    def removal(self, organization_id: str, user_id: str) -> list[Write]:
        """Make the writes that take a user's credentials away, and the link to an identity provider."""
        known = self.get(organization_id, user_id)
        links = [Delete(Key(known.identity, "identity"))] if known and known.identity else []
        return [Delete(place(organization_id, user_id)), *links]

    # --- Identities elsewhere ---

    def linked(self, issuer: str, subject: str) -> tuple[str, str] | None:
        """Find the organisation and the user whose account elsewhere this is."""
        item = self._records.get(Key(_identity(issuer, subject), "identity"))
        return None if item is None else (item.values["organization_id"], item.values["user_id"])

    def link(self, known: Credentials, issuer: str, subject: str) -> tuple[Put, dict[str, Any]]:
        """Make the write that ties an account elsewhere to a user, and the fields of their credentials to change.

        A link to a user who is gone is replaced.
        """
        identity = _identity(issuer, subject)
        values = {"organization_id": known.organization_id, "user_id": known.user_id}
        return Put(Item(Key(identity, "identity"), values)), {"identity": identity}


def _identity(issuer: str, subject: str) -> str:
    return f"identity#{hashlib.sha256(f'{issuer}\n{subject}'.encode()).hexdigest()}"
