"""Lets the first owner, who begins with an API key only, sign in."""

from ketbase.accounts import layout
from ketbase.accounts.rules import email_in_use
from ketbase.accounts.store import AccountStore
from ketbase.audit.lines import system_line
from ketbase.auth.credentials import CredentialStore
from ketbase.auth.passwords import Passwords, check_strength
from ketbase.auth.sessions import Sessions
from ketbase.errors import ConflictError, NotFoundError
from ketbase.ports.clock import Clock
from ketbase.ports.records import ConditionFailedError, Records, Write

_TRIES = 5


class FirstOwner:
    """The owner who was founded with the installation; only its operator gets here."""

    def __init__(
        self,
        records: Records,
        store: AccountStore,
        credentials: CredentialStore,
        passwords: Passwords,
        sessions: Sessions,
        clock: Clock,
    ):
        self._records = records
        self._store = store
        self._credentials = credentials
        self._passwords = passwords
        self._sessions = sessions
        self._clock = clock

    def sign_in_with(self, email: str, password: str) -> None:
        """Give the first owner an address and a password, in place of what they had; their sessions end.

        Raises:
            InvalidError: `WEAK_PASSWORD`.
            NotFoundError: `NO_FIRST_OWNER`, nobody was founded, or they were removed.
            ConflictError: `EMAIL_IN_USE`; `USER_BUSY`, somebody changed them again and again.
        """
        check_strength(password, email)
        hashed = self._passwords.hash(password)
        for _ in range(_TRIES):
            first = self._records.get(layout.FIRST_OWNER)
            found = first and self._store.kept(first.values["organization_id"], first.values["user_id"])
            if not found:
                raise NotFoundError("NO_FIRST_OWNER", "There is no first owner; `ketbase bootstrap` makes one.")
            user = found[1].user
            holder = self._store.user_by_email(email)
            if holder is not None and holder.id != user.id:
                raise email_in_use()
            known = self._credentials.get(user.organization_id, user.id)
            after = user.model_copy(update={"email": email, "updated_at": self._clock.now()})
            writes: list[Write] = [
                self._store.replace_user(found[1], after),
                # The operator's word is as good as a mail.
                self._credentials.first(user.organization_id, user.id, hashed, email_proved=True)
                if known is None
                else self._credentials.change(
                    known, password_hash=hashed, email_proved=True, generation=known.generation + 1
                ),
                system_line(
                    self._clock, user.organization_id, "user.updated", user.id, changed=["email", "password"]
                ),
            ]
            if holder is None:
                writes.append(self._store.claim_email(email, after))
                if user.email is not None:
                    writes.append(self._store.free_email(user.email))
            try:
                self._records.write(*writes)
            except ConditionFailedError:
                continue
            self._sessions.end_all(user.id)
            return
        raise ConflictError("USER_BUSY", "Others changed the first owner at the same moment; try again.")
