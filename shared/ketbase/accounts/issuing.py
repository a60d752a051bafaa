"""Makes, lists and revokes API keys."""

from collections.abc import Iterable, Iterator
from typing import Final

from ketbase.accounts import layout
from ketbase.accounts.keys import hint_of, new_key
from ketbase.accounts.keystore import KeyStore, RevokedKeyError
from ketbase.accounts.requests import CreateKey
from ketbase.accounts.roles import expand
from ketbase.accounts.rules import refuse_limited_key, refuse_superior
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller, KeyRecord
from ketbase.accounts.views import KeyView, NewKey
from ketbase.audit.lines import line
from ketbase.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from ketbase.ids import new_id
from ketbase.ledger.service import Ledger
from ketbase.paging import PageRequest, Slice, take
from ketbase.ports.clock import Clock
from ketbase.ports.records import Check, ConditionFailedError, Present, Records

MOST_KEYS: Final = 100
"""What one user may have: each has a rate limit of its own, so that keys without end would be no limit at all."""


class KeyIssuer:
    """Everyone who is signed in manages their own keys; a key needs a scope for it, and so do others' keys."""

    def __init__(
        self,
        records: Records,
        store: AccountStore,
        keys: KeyStore,
        ledger: Ledger,
        clock: Clock,
        *,
        environment: str,
        most_requests: int,
    ):
        """Wire it.

        Args:
            records: the store that all writes go to.
            store: organisations and users.
            keys: the keys.
            ledger: keeps what a key may spend.
            clock: the time.
            environment: `live`, `test` or `dev`; stands in each key.
            most_requests: the highest `rate_limit` that a key may have.
        """
        self._records = records
        self._store = store
        self._keys = keys
        self._ledger = ledger
        self._clock = clock
        self._environment = environment
        self._most_requests = most_requests

    def create(self, caller: Caller, body: CreateKey) -> NewKey:
        """Make a key of the caller's.

        Raises:
            ForbiddenError: `MISSING_SCOPE`, the caller is a key without `keys:write`; `KEY_IS_LIMITED`, it is one
                that expires or has a monthly limit, which a new key would not have; `SCOPE_NOT_GRANTED`, the
                caller lacks what the key is to have.
            InvalidError: `UNKNOWN_SCOPE`, `RATE_LIMIT_TOO_HIGH` for the installation or for the key that asks, or
                `EXPIRES_IN_THE_PAST`.
            ConflictError: `TOO_MANY_KEYS`.
            NotFoundError: `USER_NOT_FOUND`, the caller was removed meanwhile.
        """
        _refuse_weak_key(caller, "keys:write")
        refuse_limited_key(caller)
        scopes = granted(caller, body.scopes)
        now = self._clock.now()
        rate_limit = self._rate_limit(caller, body)
        if body.expires_at is not None and body.expires_at <= now:
            raise InvalidError(
                "EXPIRES_IN_THE_PAST",
                "expires_at is in the past; leave it out for a key that never expires.",
                field="expires_at",
            )
        if self._keys.count(caller.organization_id, caller.user_id) >= MOST_KEYS:
            raise ConflictError(
                "TOO_MANY_KEYS",
                f"You have {MOST_KEYS} API keys, the most there may be; revoke one that you do not need.",
                limit=MOST_KEYS,
            )
        key = new_key(self._environment)
        record = KeyRecord(
            id=new_id("key"),
            organization_id=caller.organization_id,
            user_id=caller.user_id,
            name=body.name,
            hint=hint_of(key),
            scopes=scopes,
            rate_limit=rate_limit,
            monthly_limit=body.monthly_limit,
            expires_at=body.expires_at,
            created_at=now,
        )
        limit = body.monthly_limit
        limits = [] if limit is None else self._ledger.limit_writes(record.organization_id, record.id, limit)
        try:
            self._records.write(
                *self._keys.addition(key, record),
                *limits,
                self._store.active(record.organization_id),
                Check(layout.user(record.organization_id, record.user_id), (Present(),)),
                line(
                    self._clock,
                    caller,
                    "key.created",
                    record.id,
                    name=record.name,
                    hint=record.hint,
                    scopes=list(scopes),
                ),
            )
        except ConditionFailedError as problem:
            raise NotFoundError("USER_NOT_FOUND", "You are no member of this organisation any more.") from problem
        return NewKey(**dict(KeyView.of(record)), key=key)

    def list(self, caller: Caller, request: PageRequest) -> Slice[KeyView]:
        """List the caller's keys; those of the whole organisation, where the caller has `keys:read`.

        Raises:
            ForbiddenError: `MISSING_SCOPE`, the caller is a key without `keys:read`.
        """
        _refuse_weak_key(caller, "keys:read")
        organization_id = caller.organization_id
        whose = None if caller.may("keys:read") else caller.user_id
        walk = self._keys.walk(organization_id, whose, after=request.cursor, descending=request.descending)
        page = take(walk, request, self._keys.count(organization_id, whose))
        return Slice(tuple(self._shown(page.items)), page.total, page.request, page.cursor)

    def revoke(self, caller: Caller, key_id: str) -> None:
        """Refuse a key from now on.

        Raises:
            ForbiddenError: `MISSING_SCOPE`, the caller is a key without `keys:write`; `USER_ABOVE_CALLER`.
            NotFoundError: `KEY_NOT_FOUND`, also for others' keys where the caller lacks `keys:write`.
        """
        _refuse_weak_key(caller, "keys:write")
        unknown = NotFoundError("KEY_NOT_FOUND", f"There is no API key {key_id!r}.", key_id=key_id)
        record = self._keys.get(caller.organization_id, key_id)
        if record is None:
            raise unknown
        if record.user_id != caller.user_id:
            if not caller.may("keys:write"):
                raise unknown
            owner = self._store.user(record.organization_id, record.user_id)
            if owner is not None:
                refuse_superior(caller, owner)
        try:
            self._records.write(
                *self._keys.revocation(record, self._clock.now()),
                *self._ledger.closing_writes(record.organization_id, record.id),
                line(self._clock, caller, "key.revoked", record.id, name=record.name, hint=record.hint),
            )
        except (RevokedKeyError, ConditionFailedError) as problem:
            raise unknown from problem

    def _rate_limit(self, caller: Caller, body: CreateKey) -> int:
        """Give the rate limit of a new key: none is above the one of the key that makes it."""
        by_key = caller.credential == "key"
        most = min(self._most_requests, caller.rate_limit) if by_key else self._most_requests
        if "rate_limit" not in body.model_fields_set:
            return min(body.rate_limit, most)
        if body.rate_limit > most:
            whose = "A key that this key makes" if most < self._most_requests else "A key of this installation"
            raise InvalidError(
                "RATE_LIMIT_TOO_HIGH",
                f"{whose} may make up to {most} requests at once.",
                field="rate_limit",
                limit=most,
            )
        return body.rate_limit

    def _shown(self, records: Iterable[KeyRecord]) -> Iterator[KeyView]:
        listed = list(records)
        used = {
            item.key: item.values.get("last_used")
            for item in self._records.get_many(layout.bucket(record.id) for record in listed)
        }
        return (KeyView.of(record, used.get(layout.bucket(record.id))) for record in listed)


def granted(caller: Caller, asked: Iterable[str]) -> tuple[str, ...]:
    """Give the scopes that a key of the caller's gets.

    A wildcard stays one where somebody signed in asks for it: the key never has more than its owner's role. A key
    may have less than that, and gives only what it names today.

    Raises:
        ForbiddenError: `SCOPE_NOT_GRANTED`, with the scopes that the caller lacks.
        InvalidError: `UNKNOWN_SCOPE`.
    """
    wanted = frozenset(asked)
    meant = frozenset(each for scope in wanted for each in expand(scope))
    lacking = sorted(scope for scope in meant if not caller.may(scope))
    if lacking:
        raise ForbiddenError(
            "SCOPE_NOT_GRANTED",
            f"You cannot grant what you may not do yourself: {', '.join(lacking)}.",
            field="scopes",
            scopes=lacking,
        )
    return tuple(sorted(wanted if caller.credential == "session" else meant))


def _refuse_weak_key(caller: Caller, scope: str) -> None:
    if caller.credential == "key" and not caller.may(scope):
        raise ForbiddenError("MISSING_SCOPE", f"With an API key this needs the scope {scope}.", scope=scope)
