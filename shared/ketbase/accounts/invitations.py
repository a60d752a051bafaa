"""Invites people into an organisation, and lets them in."""

import secrets
from datetime import timedelta
from typing import Final

from ketbase.accounts.invitationstore import InvitationStore
from ketbase.accounts.requests import AcceptInvitation, InviteUser
from ketbase.accounts.roles import Role, grants, scopes_of
from ketbase.accounts.rules import refuse_higher_role
from ketbase.accounts.signup import email_in_use
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller, Origin, User
from ketbase.accounts.views import Invitation, UserView
from ketbase.audit.lines import line, system_line
from ketbase.auth.credentials import CredentialStore
from ketbase.auth.passwords import Passwords, check_strength
from ketbase.errors import ConflictError, NotFoundError
from ketbase.ids import new_id
from ketbase.notices.outbox import notice
from ketbase.paging import PageRequest, Slice, take
from ketbase.ports.clock import Clock
from ketbase.ports.records import ConditionFailedError, Put, Records

VALID: Final = timedelta(days=7)
_TOKEN_BYTES = 32
_TRIES = 5


class Invitations:
    """Invitations by mail. The token is in the mail only: whoever has it can read the mails to that address."""

    def __init__(
        self,
        records: Records,
        store: AccountStore,
        invitations: InvitationStore,
        credentials: CredentialStore,
        passwords: Passwords,
        clock: Clock,
        *,
        public_url: str,
    ):
        self._records = records
        self._store = store
        self._invitations = invitations
        self._credentials = credentials
        self._passwords = passwords
        self._clock = clock
        self._public_url = public_url

    def invite(self, caller: Caller, body: InviteUser) -> Invitation:
        """Ask somebody to join; a second invitation of an address takes the place of the first.

        Whether the address has an account elsewhere is for its owner to know, who is told when accepting.

        Raises:
            ForbiddenError: `ROLE_ABOVE_OWN`.
            ConflictError: `ALREADY_A_MEMBER`; `INVITATION_BUSY`, others invited them at the same moment.
            NotFoundError: `ORGANIZATION_NOT_FOUND`, it was deleted meanwhile.
        """
        refuse_higher_role(caller, body.role)
        member = self._store.user_by_email(body.email)
        if member is not None and member.organization_id == caller.organization_id:
            raise ConflictError("ALREADY_A_MEMBER", "This address is a user's already.", user_id=member.id)
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
            ForbiddenError: `ROLE_ABOVE_OWN`, it is to a role above the caller's.
            NotFoundError: `INVITATION_NOT_FOUND`.
        """
        invitation = self._invitations.get(caller.organization_id, invitation_id)
        if invitation is None:
            raise _unknown()
        refuse_higher_role(caller, invitation.role)
        told = line(self._clock, caller, "user.uninvited", invitation.id, email=invitation.email)
        try:
            self._records.write(*self._invitations.removal(invitation), told)
        except ConditionFailedError as problem:
            raise _unknown() from problem

    def accept(self, origin: Origin, body: AcceptInvitation) -> UserView:
        """Make the user who was invited, and who can sign in now.

        Raises:
            NotFoundError: `INVITATION_NOT_FOUND`: unknown, used, replaced, over, or whoever sent it could not send
                it any more.
            InvalidError: `WEAK_PASSWORD`.
            ConflictError: `EMAIL_IN_USE`.
        """
        invitation = self._invitations.of_token(body.token)
        if invitation is None or invitation.expires_at <= self._clock.now() or not self._still_meant(invitation):
            raise _unknown()
        password = body.password.get_secret_value()
        check_strength(password, invitation.email)
        now = self._clock.now()
        user = User(
            id=new_id("user"),
            organization_id=invitation.organization_id,
            email=invitation.email,
            name=body.name,
            role=invitation.role,
            created_at=now,
            updated_at=now,
        )
        joins = self._store.owner_joins if user.role is Role.OWNER else self._store.active
        try:
            self._records.write(
                self._store.claim_email(invitation.email, user),
                *self._invitations.removal(invitation),
                joins(user.organization_id),
                self._store.new_user(user),
                self._credentials.first(user.organization_id, user.id, self._passwords.hash(password)),
                system_line(self._clock, user.organization_id, "user.joined", user.id, origin, role=user.role),
            )
        except ConditionFailedError as problem:
            # Position 0 is the address; the others say that the invitation or the organisation is gone.
            raise (email_in_use() if problem.failed == (0,) else _unknown()) from problem
        return UserView(**dict(user))

    def _still_meant(self, invitation: Invitation) -> bool:
        """Say whether who sent it may still do so: an admin who was removed leaves no back door."""
        host = self._store.user(invitation.organization_id, invitation.invited_by)
        return (
            host is not None
            and host.role.rank >= invitation.role.rank
            and grants(scopes_of(host.role), "users:write")
        )

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


def _unknown() -> NotFoundError:
    return NotFoundError(
        "INVITATION_NOT_FOUND",
        "There is no such invitation: it was used, replaced or withdrawn, or it is over. Ask for a new one.",
    )
