"""Where organisations and their users are kept; each is changed only as it was read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ketbase.accounts import layout
from ketbase.accounts.types import Organization, User
from ketbase.ports.records import Absent, Check, Delete, Equals, Index, Item, Key, Put, Records, Update, walk
from ketbase.types import Moment, iso

_ACTIVE, _ERASING = "active", "erasing"
_OWN_FIELDS = frozenset({"revision", "owners", "state", "deleted_at"})
"""What the store keeps beside the fields of the types."""


@dataclass(frozen=True, slots=True)
class KeptOrganization:
    """An organisation as it was read.

    Attributes:
        owners: how many there are.
        revision: counts the changes of the organisation itself.
        deleted_at: when it was deleted; what it owns is being erased since.
    """

    organization: Organization
    owners: int
    revision: int
    deleted_at: str | None


@dataclass(frozen=True, slots=True)
class KeptUser:
    """A user as they were read; the revision counts the changes."""

    user: User
    revision: int


class AccountStore:
    """Organisations and users. An organisation that is being erased is gone for everybody, and so are its users."""

    def __init__(self, records: Records):
        self._records = records

    # --- Reading ---

    def organization(self, organization_id: str) -> Organization | None:
        """Read an organisation."""
        kept = self.kept_organization(organization_id)
        return None if kept is None or kept.deleted_at else kept.organization

    def user(self, organization_id: str, user_id: str) -> User | None:
        """Read a user of an organisation."""
        found = self.kept(organization_id, user_id)
        return None if found is None else found[1].user

    def user_by_email(self, email: str) -> User | None:
        """Find the one user of the installation with this address, however it is capitalised."""
        item = self._records.get(layout.email(email))
        return None if item is None else self.user(item.values["organization_id"], item.values["user_id"])

    def users(self, organization_id: str, *, after: str | None = None, descending: bool = False) -> Iterator[User]:
        """Walk the users of an organisation in order of their ids, from behind the id `after`."""
        start = None if after is None else f"user#{after}"
        partition = layout.partition(organization_id)
        items = walk(self._records, partition, prefix="user#", after=start, descending=descending)
        return (_user(item).user for item in items)

    def members(self, organization_id: str) -> int:
        """Count the users of an organisation."""
        return self._records.count(layout.partition(organization_id), prefix="user#")

    def kept_organization(self, organization_id: str) -> KeptOrganization | None:
        """Read an organisation to change it, also one that is being erased."""
        item = self._records.get(layout.organization(organization_id))
        return None if item is None else _organization(item)

    def kept(self, organization_id: str, user_id: str) -> tuple[KeptOrganization, KeptUser] | None:
        """Read a user to change them, and their organisation at the same time."""
        return self._read(organization_id, user_id)[0]

    def user_and(self, organization_id: str, user_id: str, *places: Key) -> tuple[User | None, dict[Key, Item]]:
        """Read a user, and what lies at other places, in one call."""
        kept, found = self._read(organization_id, user_id, *places)
        return (None if kept is None else kept[1].user), found

    def _read(
        self, organization_id: str, user_id: str, *places: Key
    ) -> tuple[tuple[KeptOrganization, KeptUser] | None, dict[Key, Item]]:
        whole, person = layout.organization(organization_id), layout.user(organization_id, user_id)
        found = {item.key: item for item in self._records.get_many((whole, person, *places))}
        if whole not in found or person not in found:
            return None, found
        organization = _organization(found[whole])
        return (None if organization.deleted_at else (organization, _user(found[person]))), found

    # --- Writes ---

    def new_organization(self, organization: Organization) -> Put:
        """Keep a new organisation that has one owner."""
        values = {**organization.model_dump(mode="json"), "revision": 1, "owners": 1, "state": _ACTIVE}
        return Put(Item(layout.organization(organization.id), values), (Absent(),))

    def active(self, organization_id: str) -> Check:
        """Hold only while the organisation is not being erased."""
        return Check(layout.organization(organization_id), (Equals("state", _ACTIVE),))

    def change(self, kept: KeptOrganization, after: Organization) -> Update:
        """Change an organisation's name or settings, if nobody did since it was read."""
        return Update(
            layout.organization(after.id),
            set=after.model_dump(mode="json", include={"name", "settings", "updated_at"}),
            add={"revision": 1},
            when=(Equals("state", _ACTIVE), Equals("revision", kept.revision)),
        )

    def owner_joins(self, organization_id: str) -> Update:
        """Count an owner more; holds only while the organisation is not being erased."""
        return Update(layout.organization(organization_id), add={"owners": 1}, when=(Equals("state", _ACTIVE),))

    def owner_leaves(self, kept: KeptOrganization) -> Update:
        """Count an owner less, if there are as many as were read: of two that leave at once, one is the last."""
        return Update(
            layout.organization(kept.organization.id),
            add={"owners": -1},
            when=(Equals("state", _ACTIVE), Equals("owners", kept.owners)),
        )

    def mark_deleted(self, kept: KeptOrganization, now: Moment) -> Update:
        """Refuse everybody of an organisation from now on, and have what it owns erased."""
        organization_id = kept.organization.id
        return Update(
            layout.organization(organization_id),
            set={"state": _ERASING, "deleted_at": iso(now)},
            indexes={Index.WORK: Key(layout.ERASING, organization_id)},
            when=(Equals("state", _ACTIVE), Equals("revision", kept.revision)),
        )

    def new_user(self, user: User) -> Put:
        """Keep a new user."""
        return Put(_user_item(user, 1), (Absent(),))

    def replace_user(self, kept: KeptUser, after: User) -> Put:
        """Change a user, if nobody did since they were read."""
        return Put(_user_item(after, kept.revision + 1), (Equals("revision", kept.revision),))

    def remove_user(self, kept: KeptUser) -> Delete:
        """Take a user away, if nobody changed them since they were read."""
        place = layout.user(kept.user.organization_id, kept.user.id)
        return Delete(place, (Equals("revision", kept.revision),))

    def claim_email(self, email: str, user: User) -> Put:
        """Make an address this user's, if it is nobody's."""
        owner = {"organization_id": user.organization_id, "user_id": user.id}
        return Put(Item(layout.email(email), owner), (Absent(),))

    def free_email(self, email: str) -> Delete:
        """Make an address nobody's."""
        return Delete(layout.email(email))


def _organization(item: Item) -> KeptOrganization:
    values = item.values
    return KeptOrganization(
        Organization.model_validate(_shown(values)), values["owners"], values["revision"], values.get("deleted_at")
    )


def _user(item: Item) -> KeptUser:
    return KeptUser(User.model_validate(_shown(item.values)), item.values["revision"])


def _user_item(user: User, revision: int) -> Item:
    return Item(layout.user(user.organization_id, user.id), {**user.model_dump(mode="json"), "revision": revision})


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _OWN_FIELDS}
