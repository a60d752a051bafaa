"""Where API keys are kept: a record under the key's hash, and entries in its organisation's and owner's list."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from ketbase.accounts import layout
from ketbase.accounts.types import KeyRecord
from ketbase.ports.records import Absent, Delete, Equals, Item, Key, Present, Put, Records, Write

REMEMBERED = timedelta(days=90)
"""How long a revoked key is told apart from one that never was."""


class RevokedKeyError(LookupError):
    """The key was revoked."""


class KeyStore:
    """API keys. A revoked key stands in no list any more."""

    def __init__(self, records: Records):
        self._records = records

    def find(self, api_key: str) -> KeyRecord | None:
        """Read the record of a key that somebody shows.

        Raises:
            RevokedKeyError: it was revoked.
        """
        item = self._records.get(layout.key(api_key))
        if item is None:
            return None
        if item.values["revoked"]:
            raise RevokedKeyError
        return _record(item)

    def get(self, organization_id: str, key_id: str) -> KeyRecord | None:
        """Read the record of an organisation's key."""
        entry = self._records.get(Key(layout.keys(organization_id), key_id))
        item = None if entry is None else self._records.get(_place(entry))
        return None if item is None or item.values["revoked"] else _record(item)

    def walk(
        self, organization_id: str, user_id: str | None, *, after: str | None = None, descending: bool = False
    ) -> Iterator[KeyRecord]:
        """Walk the keys of a user, or of the whole organisation, in order of their ids."""
        partition = _listed(organization_id, user_id)
        while True:
            page = self._records.query(partition, after=after, descending=descending)
            found = self._records.get_many(_place(entry) for entry in page.items)
            yield from (_record(item) for item in found if not item.values["revoked"])
            if page.next is None:
                return
            after = page.next

    def count(self, organization_id: str, user_id: str | None) -> int:
        """Count the keys of a user, or of the whole organisation."""
        return self._records.count(_listed(organization_id, user_id))

    def addition(self, api_key: str, record: KeyRecord) -> list[Write]:
        """Make the writes that keep a new key; the first of them does not hold where the key is known already."""
        place = layout.key(api_key)
        values = {"record": record.model_dump(mode="json"), "revoked": False}
        return [
            Put(Item(place, values), (Absent(),)),
            *(Put(Item(each, {"place": place.partition})) for each in _entries(record)),
        ]

    def revocation(self, record: KeyRecord, now: datetime) -> list[Write]:
        """Make the writes that revoke a key, and keep nothing of it but that it was; they do not hold where it was
        revoked before.

        Raises:
            RevokedKeyError: it stands in no list any more.
        """
        forgotten = int((now + REMEMBERED).timestamp())
        revoked = Item(self._place(record), {"revoked": True}, expires_at=forgotten)
        return [Put(revoked, (Present(), Equals("revoked", False))), *(Delete(each) for each in _entries(record))]

    def erasure(self, record: KeyRecord) -> list[Write]:
        """Make the writes that leave nothing of a key."""
        with suppress(RevokedKeyError):
            return [Delete(self._place(record)), *(Delete(each) for each in _entries(record))]
        return []

    def _place(self, record: KeyRecord) -> Key:
        entry = self._records.get(_entries(record)[0])
        if entry is None:
            raise RevokedKeyError
        return _place(entry)


def _listed(organization_id: str, user_id: str | None) -> str:
    return layout.keys(organization_id) if user_id is None else layout.keys_of(organization_id, user_id)


def _entries(record: KeyRecord) -> tuple[Key, Key]:
    owner = layout.keys_of(record.organization_id, record.user_id)
    return Key(layout.keys(record.organization_id), record.id), Key(owner, record.id)


def _place(entry: Item) -> Key:
    return Key(entry.values["place"], "key")


def _record(item: Item) -> KeyRecord:
    return KeyRecord.model_validate(item.values["record"])
