"""Lets in whoever was invited."""

from ketbase.accounts.invitations import unknown_invitation
from ketbase.accounts.invitationstore import InvitationStore
from ketbase.accounts.keystore import KeyStore
from ketbase.accounts.requests import AcceptInvitation
from ketbase.accounts.roles import Role, grants, scopes_of
from ketbase.accounts.rules import email_in_use
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Origin, User
from ketbase.accounts.views import Invitation, UserView
from ketbase.audit.lines import system_line
from ketbase.auth.credentials import CredentialStore
from ketbase.auth.passwords import Passwords, check_strength
from ketbase.ids import new_id
from ketbase.ports.clock import Clock
from ketbase.ports.records import ConditionFailedError, Records


class Joining:
    """What the token of an invitation opens, once."""

    def __init__(
        self,
        records: Records,
        store: AccountStore,
        invitations: InvitationStore,
        keys: KeyStore,
        credentials: CredentialStore,
        passwords: Passwords,
        clock: Clock,
    ):
        self._records = records
        self._store = store
        self._invitations = invitations
        self._keys = keys
        self._credentials = credentials
        self._passwords = passwords
        self._clock = clock

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
            raise unknown_invitation()
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
                self._credentials.first(
                    user.organization_id, user.id, self._passwords.hash(password), email_proved=True
                ),
                system_line(self._clock, user.organization_id, "user.joined", user.id, origin, role=user.role),
            )
        except ConditionFailedError as problem:
            # Position 0 is the address; the others say that the invitation or the organisation is gone.
            raise (email_in_use() if problem.failed == (0,) else unknown_invitation()) from problem
        return UserView(**dict(user))

    def _still_meant(self, invitation: Invitation) -> bool:
        """Say whether who sent it may still do so: an admin who was removed leaves no back door,
        and neither does a key that was revoked."""
        host = self._store.user(invitation.organization_id, invitation.invited_by)
        return (
            host is not None
            and host.role.rank >= invitation.role.rank
            and grants(scopes_of(host.role), "users:write")
            and (invitation.key_id is None or self._keys.get(host.organization_id, invitation.key_id) is not None)
        )
