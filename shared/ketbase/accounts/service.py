"""Decides who is calling, and founds the first organisation."""

import hashlib
import re
import secrets
import string

from ketbase.accounts.types import KEY_PATTERN, Caller, KeyRecord, Organization, User
from ketbase.errors import InvalidError, UnauthenticatedError
from ketbase.ids import new_id
from ketbase.ports.clock import Clock
from ketbase.ports.records import Absent, ConditionFailedError, Item, Key, Put, Records

_FIRST_OWNER = Key("installation", "first-owner")


class Accounts:
    """Organisations, users and API keys."""

    def __init__(self, records: Records, clock: Clock):
        self._records = records
        self._clock = clock

    def authenticate(self, key: str) -> Caller:
        """Find who holds an API key.

        Raises:
            UnauthenticatedError: `INVALID_API_KEY`.
        """
        item = self._records.get(_key_place(key)) if re.match(KEY_PATTERN, key) else None
        if item is None:
            raise UnauthenticatedError(
                "INVALID_API_KEY", "This API key is not known. Keys look like qsk_live_ and 24 characters."
            )
        known = KeyRecord.model_validate(item.values)
        return Caller(organization_id=known.organization_id, user_id=known.user_id, scopes=frozenset(known.scopes))

    def found(self, key: str | None = None) -> str | None:
        """Make the first organisation, its owner, and the owner's key, if nobody has done so before.

        Args:
            key: the key to give the owner; a new one where `None`. For automation, which calls this at every
                start: where the organisation is there already, a `key` not seen before becomes another key of
                the owner.

        Returns:
            The owner's key if it was made now, the only time it is shown; otherwise `None`.

        Raises:
            InvalidError: `INVALID_API_KEY`, `key` does not look like one.
        """
        if key is not None and not re.match(KEY_PATTERN, key):
            raise InvalidError(
                "INVALID_API_KEY", "A key is qsk_, then live, test or dev, then _ and 24 letters or digits."
            )
        now = self._clock.now()
        organization = Organization(id=new_id("org"), name="First organisation", created_at=now)
        owner = User(id=new_id("user"), organization_id=organization.id, name="Owner", role="owner", created_at=now)
        made = key or new_key("dev")
        first = {"organization_id": organization.id, "user_id": owner.id}
        try:
            self._records.write(
                Put(Item(_FIRST_OWNER, first), (Absent(),)),
                Put(Item(Key(f"org#{organization.id}", "organization"), organization.model_dump(mode="json"))),
                Put(Item(Key(f"org#{organization.id}", f"user#{owner.id}"), owner.model_dump(mode="json"))),
                Put(self._key_item(made, organization.id, owner.id)),
            )
        except ConditionFailedError:
            return None if key is None else self._add_owner_key(key)
        return made

    def _add_owner_key(self, key: str) -> str | None:
        first = self._records.get(_FIRST_OWNER)
        if first is None:
            return None
        item = self._key_item(key, first.values["organization_id"], first.values["user_id"])
        try:
            self._records.write(Put(item, (Absent(),)))
        except ConditionFailedError:
            return None
        return key

    def _key_item(self, key: str, organization_id: str, user_id: str) -> Item:
        record = KeyRecord(
            organization_id=organization_id,
            user_id=user_id,
            name="First owner's key",
            hint=f"{key[:8]}…{key[-4:]}",
            scopes=("*",),
            created_at=self._clock.now(),
        )
        return Item(_key_place(key), record.model_dump(mode="json"))


def new_key(environment: str) -> str:
    """Make an API key for an environment (`live`, `test` or `dev`): 24 random letters and digits, 142 bits."""
    alphabet = string.ascii_letters + string.digits
    return f"qsk_{environment}_{''.join(secrets.choice(alphabet) for _ in range(24))}"


def _key_place(key: str) -> Key:
    """A key has 142 random bits, so that a plain hash of it cannot be turned back by guessing."""
    return Key(f"key#{hashlib.sha256(key.encode()).hexdigest()}", "key")
