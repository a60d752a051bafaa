"""Where invitations are kept: in their organisation's list, under their address, and under the token's hash."""

from collections.abc import Iterator

from ketbase.accounts import layout
from ketbase.accounts.views import Invitation
from ketbase.ports.records import Absent, Condition, Delete, Equals, Item, Key, Present, Put, Records, Write, walk


class InvitationStore:
    """Invitations; none outlives its time, and an address has one from an organisation."""

    def __init__(self, records: Records):
        self._records = records

    def of_token(self, token: str) -> Invitation | None:
        """Find the invitation that a token accepts."""
        item = self._records.get(layout.token(token))
        return None if item is None else self.get(item.values["organization_id"], item.values["invitation_id"])

    def of_address(self, organization_id: str, address: str) -> Invitation | None:
        """Find the invitation that an address has to an organisation."""
        item = self._records.get(layout.invited(organization_id, address))
        return None if item is None else self.get(organization_id, item.values["invitation_id"])

    def get(self, organization_id: str, invitation_id: str) -> Invitation | None:
        """Read an organisation's invitation."""
        item = self._records.get(layout.invitation(organization_id, invitation_id))
        return None if item is None else Invitation.model_validate(item.values["invitation"])

    def walk(
        self, organization_id: str, *, after: str | None = None, descending: bool = False
    ) -> Iterator[Invitation]:
        """Walk an organisation's invitations in order of their ids."""
        items = walk(self._records, layout.invitations(organization_id), after=after, descending=descending)
        return (Invitation.model_validate(item.values["invitation"]) for item in items)

    def count(self, organization_id: str) -> int:
        """Count an organisation's invitations."""
        return self._records.count(layout.invitations(organization_id))

    def addition(self, invitation: Invitation, token: str, replaced: Invitation | None) -> list[Write]:
        """Make the writes that keep an invitation, in place of the one that its address had.

        They do not hold where the address was invited by another at the same moment.
        """
        organization_id, seconds = invitation.organization_id, int(invitation.expires_at.timestamp())
        pointer = {"organization_id": organization_id, "invitation_id": invitation.id}
        place = layout.token(token)
        kept = {"invitation": invitation.model_dump(mode="json"), "token_place": place.partition}
        when: Condition = Absent() if replaced is None else Equals("invitation_id", replaced.id)
        return [
            Put(
                Item(layout.invited(organization_id, invitation.email), pointer, expires_at=seconds),
                (when,),
            ),
            Put(Item(layout.invitation(organization_id, invitation.id), kept, expires_at=seconds), (Absent(),)),
            Put(Item(place, pointer, expires_at=seconds), (Absent(),)),
            *(self._unlisted(replaced) if replaced else []),
        ]

    def removal(self, invitation: Invitation) -> list[Write]:
        """Make the writes that take an invitation away; they do not hold where it was used or replaced before."""
        return [
            *self._unlisted(invitation),
            Delete(
                layout.invited(invitation.organization_id, invitation.email),
                (Equals("invitation_id", invitation.id),),
            ),
        ]

    def _unlisted(self, invitation: Invitation) -> list[Write]:
        place = layout.invitation(invitation.organization_id, invitation.id)
        writes: list[Write] = [Delete(place, (Present(),))]
        item = self._records.get(place)
        if item is not None:
            writes.append(Delete(Key(item.values["token_place"], "invitation")))
        return writes
