"""Founds the first organisation, its owner and their key."""

import re

from ketbase.accounts import layout
from ketbase.accounts.keys import hint_of, new_key
from ketbase.accounts.keystore import KeyStore
from ketbase.accounts.roles import Role
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import KEY_PATTERN, KeyRecord, Organization, User
from ketbase.audit.lines import system_line
from ketbase.errors import InvalidError
from ketbase.ids import new_id
from ketbase.ports.clock import Clock
from ketbase.ports.records import Absent, ConditionFailedError, Item, Put, Records, Write


class Founding:
    """How an installation gets its first organisation."""

    def __init__(self, records: Records, clock: Clock, *, rate_limit: int = 1_000):
        """Wire it; the owner's key may make `rate_limit` requests at once, and so may the keys that it makes."""
        self._records = records
        self._clock = clock
        self._rate_limit = rate_limit
        self._keys = KeyStore(records)
        self._store = AccountStore(records)

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
        if key is not None and not re.fullmatch(KEY_PATTERN, key):
            raise InvalidError(
                "INVALID_API_KEY", "A key is qsk_, then live, test or dev, then _ and 24 letters or digits."
            )
        now = self._clock.now()
        organization = Organization(id=new_id("org"), name="First organisation", created_at=now, updated_at=now)
        owner = User(
            id=new_id("user"),
            organization_id=organization.id,
            name="Owner",
            role=Role.OWNER,
            created_at=now,
            updated_at=now,
        )
        made = key or new_key("dev")
        first = {"organization_id": organization.id, "user_id": owner.id}
        try:
            self._records.write(
                Put(Item(layout.FIRST_OWNER, first), (Absent(),)),
                self._store.new_organization(organization),
                self._store.new_user(owner),
                system_line(self._clock, organization.id, "organization.created", organization.id),
                *self._key_writes(made, organization.id, owner.id),
            )
        except ConditionFailedError:
            return None if key is None else self._add_owner_key(key)
        return made

    def _add_owner_key(self, key: str) -> str | None:
        first = self._records.get(layout.FIRST_OWNER)
        if first is None:
            return None
        try:
            self._records.write(*self._key_writes(key, first.values["organization_id"], first.values["user_id"]))
        except ConditionFailedError:
            return None
        return key

    def _key_writes(self, key: str, organization_id: str, user_id: str) -> list[Write]:
        record = KeyRecord(
            id=new_id("key"),
            organization_id=organization_id,
            user_id=user_id,
            name="First owner's key",
            hint=hint_of(key),
            scopes=("*",),
            rate_limit=self._rate_limit,
            created_at=self._clock.now(),
        )
        line = system_line(self._clock, organization_id, "key.created", record.id, user_id=user_id)
        return [*self._keys.addition(key, record), line]
