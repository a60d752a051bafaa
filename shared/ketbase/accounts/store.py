"""Reads organisations and their users, one organisation at a time."""

from collections.abc import Iterator, Mapping
from typing import Any

from ketbase.accounts import layout
from ketbase.accounts.types import Organization, User
from ketbase.ports.records import Item, Key, Records

_OWN_FIELDS = frozenset({"revision", "owners", "deleted_at"})
"""What the store keeps beside the fields of the types."""


class AccountStore:
    """Organisations and users. An organisation that is being erased is gone for everybody, and so are its users."""

    def __init__(self, records: Records):
        self._records = records

    def organization(self, organization_id: str) -> Organization | None:
        """Read an organisation."""
        item = self._records.get(layout.organization(organization_id))
        return None if item is None or _erased(item) else organization_of(item)

    def user(self, organization_id: str, user_id: str) -> User | None:
        """Read a user of an organisation."""
        place = layout.user(organization_id, user_id)
        found = self._by_place(layout.organization(organization_id), place)
        whole, item = found.get(layout.organization(organization_id)), found.get(place)
        return None if whole is None or item is None or _erased(whole) else user_of(item)

    def user_by_email(self, email: str) -> User | None:
        """Find the one user of the installation with this address, however it is capitalised."""
        item = self._records.get(layout.email(email))
        return None if item is None else self.user(item.values["organization_id"], item.values["user_id"])

    def users(self, organization_id: str, *, after: str | None = None, descending: bool = False) -> Iterator[User]:
        """Walk the users of an organisation in order of their ids, from behind the id `after`."""
        start = None if after is None else f"user#{after}"
        while True:
            page = self._records.query(
                layout.partition(organization_id), prefix="user#", after=start, descending=descending
            )
            yield from map(user_of, page.items)
            if page.next is None:
                return
            start = page.next

    def members(self, organization_id: str) -> int:
        """Count the users of an organisation."""
        return self._records.count(layout.partition(organization_id), prefix="user#")

    def _by_place(self, *places: Key) -> dict[Key, Item]:
        return {item.key: item for item in self._records.get_many(places)}


def organization_of(item: Item) -> Organization:
    """Read an organisation's item."""
    return Organization.model_validate(_own(item.values))


def user_of(item: Item) -> User:
    """Read a user's item."""
    return User.model_validate(_own(item.values))


def organization_item(organization: Organization, *, owners: int) -> Item:
    """Make a new organisation's item; it counts its owners, so that the last one stays."""
    values = {**organization.model_dump(mode="json"), "revision": 1, "owners": owners}
    return Item(layout.organization(organization.id), values)


def user_item(user: User, revision: int = 1) -> Item:
    """Make a user's item; the revision counts the changes, so that of two at once only one happens."""
    return Item(layout.user(user.organization_id, user.id), {**user.model_dump(mode="json"), "revision": revision})


def _own(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _OWN_FIELDS}


def _erased(item: Item) -> bool:
    return "deleted_at" in item.values
