"""Shows an organisation its users, changes them and removes them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from ketbase.accounts import layout
from ketbase.accounts.keystore import KeyStore, RevokedKeyError
from ketbase.accounts.requests import UpdateMe, UpdateUser
from ketbase.accounts.roles import Role
from ketbase.accounts.rules import (
    refuse_higher_role,
    refuse_last_owner,
    refuse_limited_key,
    refuse_superior,
    unknown_backend,
)
from ketbase.accounts.store import AccountStore, KeptOrganization, KeptUser
from ketbase.accounts.types import Caller, User
from ketbase.accounts.views import UserView
from ketbase.audit.lines import line
from ketbase.auth.credentials import CredentialStore
from ketbase.auth.sessions import Sessions
from ketbase.backends.catalog import backends
from ketbase.errors import ConflictError, ForbiddenError, NotFoundError
from ketbase.ledger.service import Ledger
from ketbase.paging import PageRequest, Slice, take
from ketbase.ports.clock import Clock
from ketbase.ports.records import ConditionFailedError, Records, Write

_TRIES = 20
_SHOWN = ("name", "role", "monthly_limit", "preferences")
"""What the audit log tells of a change."""


class Users:
    """The users of an organisation, each as far as their roles let them deal with each other."""

    def __init__(
        self,
        records: Records,
        store: AccountStore,
        keys: KeyStore,
        credentials: CredentialStore,
        sessions: Sessions,
        ledger: Ledger,
        clock: Clock,
    ):
        self._records = records
        self._store = store
        self._keys = keys
        self._credentials = credentials
        self._sessions = sessions
        self._ledger = ledger
        self._clock = clock

    def get(self, caller: Caller, user_id: str) -> UserView:
        """Show a user of the caller's organisation.

        Raises:
            NotFoundError: `USER_NOT_FOUND`.
        """
        return self._view(self._kept(caller, user_id)[1].user)

    def list(self, caller: Caller, role: Role | None, request: PageRequest) -> Slice[UserView]:
        """List the users, or those of one role, in order of joining."""
        page = take(
            self._walk(caller, role, request.cursor, descending=request.descending),
            request,
            self._store.members(caller.organization_id)
            if role is None
            else sum(1 for _ in self._walk(caller, role, None, descending=False)),
        )
        return Slice(tuple(self._views(page.items)), page.total, page.request, page.cursor)

    def update(self, caller: Caller, user_id: str, body: UpdateUser) -> UserView:
        """Change a user's name, role or monthly limit.

        Raises:
            ForbiddenError: `USER_ABOVE_CALLER` or `ROLE_ABOVE_OWN`; `SCOPE_NOT_GRANTED` and `KEY_IS_LIMITED`, the
                caller is a key that may do less than the role, or that has an end or a limit.
            ConflictError: `LAST_OWNER`; `USER_BUSY`, others changed them at the same moment, again and again.
            NotFoundError: `USER_NOT_FOUND`.
        """

        def change(user: User) -> User:
            refuse_superior(caller, user)
            if body.role is not None:
                refuse_limited_key(caller)
                refuse_higher_role(caller, body.role)
            limits = "monthly_limit" in body.model_fields_set
            return user.model_copy(
                update={
                    "name": body.name or user.name,
                    "role": body.role or user.role,
                    "monthly_limit": body.monthly_limit if limits else user.monthly_limit,
                }
            )

        return self._change(caller, user_id, change)

    def update_me(self, caller: Caller, body: UpdateMe) -> UserView:
        """Change the caller's own name or preferences.

        Raises:
            ForbiddenError: `MISSING_SCOPE`, the caller is a key without `users:write`.
            InvalidError: `UNKNOWN_BACKEND`.
            ConflictError: `USER_BUSY`.
            NotFoundError: `USER_NOT_FOUND`.
        """
        if caller.credential == "key" and not caller.may("users:write"):
            raise ForbiddenError(
                "MISSING_SCOPE", "With an API key this needs the scope users:write.", scope="users:write"
            )
        given = body.preferences.model_dump(exclude_unset=True)
        chosen = given.get("default_backend")
        if chosen is not None and chosen not in backends():
            raise unknown_backend([chosen], "preferences.default_backend")
        told = {name: wanted for name, wanted in given.pop("notifications", {}).items() if wanted is not None}

        def change(user: User) -> User:
            notifications = user.preferences.notifications.model_copy(update=told)
            preferences = user.preferences.model_copy(update={**given, "notifications": notifications})
            return user.model_copy(update={"name": body.name or user.name, "preferences": preferences})

        return self._change(caller, caller.user_id, change)

    def remove(self, caller: Caller, user_id: str) -> None:
        """Take a user away; their sessions and keys are refused from that moment on. What they made stays.

        Raises:
            ForbiddenError: `USER_ABOVE_CALLER`.
            ConflictError: `LAST_OWNER`, `USER_BUSY`.
            NotFoundError: `USER_NOT_FOUND`.
        """
        for _ in range(_TRIES):
            whole, kept = self._kept(caller, user_id)
            user = kept.user
            refuse_superior(caller, user)
            refuse_last_owner(user, whole.owners)
            writes: list[Write] = [
                self._store.remove_user(kept),
                *self._credentials.removal(user.organization_id, user.id),
                *self._ledger.closing_writes(user.organization_id, user.id),
                line(
                    self._clock, caller, "user.removed", user.id, name=user.name, email=user.email, role=user.role
                ),
            ]
            if user.email is not None:
                writes.append(self._store.free_email(user.email))
            if user.role is Role.OWNER:
                writes.append(self._store.owner_leaves(whole))
            try:
                self._records.write(*writes)
            except ConditionFailedError:
                continue
            # All of these are refused already, for they ask for the user: this only tidies up.
            self._sessions.end_all(user.id)
            for record in self._keys.walk(user.organization_id, user.id):
                with suppress(RevokedKeyError, ConditionFailedError):
                    self._records.write(*self._keys.revocation(record, self._clock.now()))
            return
        raise _busy(user_id)

    def _change(self, caller: Caller, user_id: str, change: Callable[[User], User]) -> UserView:
        for _ in range(_TRIES):
            whole, kept = self._kept(caller, user_id)
            before = kept.user
            after = change(before)
            if after == before:
                return self._view(before)
            after = after.model_copy(update={"updated_at": self._clock.now()})
            try:
                self._records.write(*self._writes(caller, whole, kept, after))
            except ConditionFailedError:
                continue
            return self._view(after)
        raise _busy(user_id)

    def _writes(self, caller: Caller, whole: KeptOrganization, kept: KeptUser, after: User) -> Iterator[Write]:
        before = kept.user
        yield self._store.replace_user(kept, after)
        yield line(self._clock, caller, "user.updated", after.id, changed=_changes(before, after))
        if after.monthly_limit != before.monthly_limit:
            yield from self._ledger.limit_writes(after.organization_id, after.id, after.monthly_limit)
        if after.role is not before.role and Role.OWNER in (after.role, before.role):
            if after.role is Role.OWNER:
                yield self._store.owner_joins(after.organization_id)
            else:
                refuse_last_owner(before, whole.owners)
                yield self._store.owner_leaves(whole)

    def _walk(self, caller: Caller, role: Role | None, after: str | None, *, descending: bool) -> Iterator[User]:
        walk = self._store.users(caller.organization_id, after=after, descending=descending)
        return (user for user in walk if role is None or user.role is role)

    def _kept(self, caller: Caller, user_id: str) -> tuple[KeptOrganization, KeptUser]:
        found = self._store.kept(caller.organization_id, user_id)
        if found is None:
            raise NotFoundError("USER_NOT_FOUND", f"There is no user {user_id!r}.", user_id=user_id)
        return found

    def _view(self, user: User) -> UserView:
        return next(self._views([user]))

    def _views(self, users: Iterable[User]) -> Iterator[UserView]:
        shown = tuple(users)
        seen = {
            item.key: item.values.get("last_used")
            for item in self._records.get_many(layout.bucket(user.id) for user in shown)
        }
        return (
            UserView.model_validate({**dict(user), "last_active": seen.get(layout.bucket(user.id))})
            for user in shown
        )


def _changes(before: User, after: User) -> dict[str, Any]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return {name: {"before": old[name], "after": new[name]} for name in _SHOWN if old[name] != new[name]}


def _busy(user_id: str) -> ConflictError:
    return ConflictError("USER_BUSY", "Others changed this user at the same moment; try again.", user_id=user_id)
