"""Invites people into an organisation."""

import secrets
from datetime import timedelta
from typing import Final

from ketbase.accounts import layout
from ketbase.accounts.invitationstore import InvitationStore
from ketbase.accounts.requests import InviteUser
from ketbase.accounts.rules import refuse_higher_role, refuse_limited_key
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller
from ketbase.accounts.views import Invitation
from ketbase.audit.lines import line
from ketbase.auth.buckets import Buckets, Rate
from ketbase.auth.throttle import address_mark
from ketbase.errors import ConflictError, NotFoundError
from ketbase.ids import new_id
from ketbase.notices.outbox import notice
from ketbase.paging import PageRequest, Slice, take
from ketbase.ports.clock import Clock
from ketbase.ports.records import ConditionFailedError, Put, Records

VALID: Final = timedelta(days=7)
TO_ONE: Final = Rate(capacity=3, interval=28_800_000_000)
"""What one address may be sent, by all organisations: three invitations at once, and three a day."""
_DAY_US: Final = 86_400_000_000
_TOKEN_BYTES = 32
_TRIES = 5


class Invitations:
    """Invitations by mail. The token is in the mail only: whoever has it can read the mails to that address."""

    def __init__(
        self,
        records: Records,
        store: AccountStore,
        invitations: InvitationStore,
        buckets: Buckets,
        clock: Clock,
        *,
        public_url: str,
        most_a_day: int,
    ):
        """Wire it; an organisation may send `most_a_day` invitations."""
        self._buckets = buckets
        self._of_organization = Rate(most_a_day, _DAY_US // most_a_day)
        self._records = records
        self._store = store
        self._invitations = invitations
        self._clock = clock
        self._public_url = public_url

    def invite(self, caller: Caller, body: InviteUser) -> Invitation:
        """Ask somebody to join; a second invitation of an address takes the place of the first.

        Whether the address has an account elsewhere is for its owner to know, who is told when accepting.

        Raises:
            ForbiddenError: `ROLE_ABOVE_OWN`; `SCOPE_NOT_GRANTED` and `KEY_IS_LIMITED`, the caller is a key that may
                do less than the role, or that has an end or a limit, which the role would not have.
            ConflictError: `ALREADY_A_MEMBER`; `INVITATION_BUSY`, others invited them at the same moment.
            RateLimitedError: `RATE_LIMITED`, too many of the organisation's, or to this address.
            NotFoundError: `ORGANIZATION_NOT_FOUND`, it was deleted meanwhile.
        """
        refuse_limited_key(caller)
        refuse_higher_role(caller, body.role)
        member = self._store.user_by_email(body.email)
        if member is not None and member.organization_id == caller.organization_id:
            raise ConflictError("ALREADY_A_MEMBER", "This address is a user's already.", user_id=member.id)
        self._buckets.take(layout.inviter(caller.organization_id), self._of_organization)
        self._buckets.take(f"invited#{address_mark(body.email)}", TO_ONE)
        for _ in range(_TRIES):
            organization = self._store.organization(caller.organization_id)
            if organization is None:
                raise NotFoundError("ORGANIZATION_NOT_FOUND", "This organisation was deleted.")
            now = self._clock.now()
            token = secrets.token_urlsafe(_TOKEN_BYTES)
            invitation = Invitation(
                id=new_id("invitation"),
                organization_id=organization.id,
                email=body.email,
                role=body.role,
                invited_by=caller.user_id,
                key_id=caller.key_id,
                created_at=now,
                expires_at=now + VALID,
            )
            before = self._invitations.of_address(organization.id, body.email)
            try:
                self._records.write(
                    *self._invitations.addition(invitation, token, before),
                    self._store.active(organization.id),
                    self._mail(invitation, organization.name, token),
                    line(self._clock, caller, "user.invited", invitation.id, email=body.email, role=body.role),
                )
            except ConditionFailedError:
                continue
            return invitation
        raise ConflictError("INVITATION_BUSY", "Others invited this address at the same moment; try again.")

    def list(self, caller: Caller, request: PageRequest) -> Slice[Invitation]:
        """List the invitations that wait for an answer."""
        walk = self._invitations.walk(caller.organization_id, after=request.cursor, descending=request.descending)
        return take(walk, request, self._invitations.count(caller.organization_id))

    def withdraw(self, caller: Caller, invitation_id: str) -> None:
        """Take an invitation back.

        Raises:
            ForbiddenError: `ROLE_ABOVE_OWN`, it is to a role above the caller's; `SCOPE_NOT_GRANTED`, the caller is
                a key that may do less than that role.
            NotFoundError: `INVITATION_NOT_FOUND`.
        """
        invitation = self._invitations.get(caller.organization_id, invitation_id)
        if invitation is None:
            raise unknown_invitation()
        refuse_higher_role(caller, invitation.role)
        told = line(self._clock, caller, "user.uninvited", invitation.id, email=invitation.email)
        try:
            self._records.write(*self._invitations.removal(invitation), told)
        except ConditionFailedError as problem:
            raise unknown_invitation() from problem

    def _mail(self, invitation: Invitation, organization: str, token: str) -> Put:
        accept = f"{self._public_url}/v1/invitations/accept"
        return notice(
            self._clock,
            invitation.organization_id,
            "email",
            invitation.email,
            f"You are invited to {organization} on Ketbase",
            f"{organization} invites you to Ketbase as {invitation.role}.\n\n"
            f"To join, send this token with your name and a password of your choice to {accept} until "
            f"{invitation.expires_at:%Y-%m-%d %H:%M} UTC:\n\n{token}\n\n"
            f"curl -X POST {accept} -H 'Content-Type: application/json' "
            f"""-d '{{"token": "{token}", "name": "…", "password": "…"}}'\n""",
            about=invitation.id,
        )


def unknown_invitation() -> NotFoundError:
    """Say that an invitation cannot be found, whatever became of it."""
    return NotFoundError(
        "INVITATION_NOT_FOUND",
        "There is no such invitation: it was used, replaced or withdrawn, or it is over. Ask for a new one.",
    )
