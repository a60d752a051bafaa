"""Work for nobody: what is asked about a user who does not exist takes as long as about one who does."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Final

from ketbase.accounts.roles import Role
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Organization, User
from ketbase.auth.credentials import Credentials, CredentialStore
from ketbase.ports.clock import Clock
from ketbase.ports.records import Item, Key, Put

NOBODY: Final = "nobody"
_KEPT: Final = timedelta(hours=1)
_BIRTH: Final = datetime(2025, 1, 1, tzinfo=UTC)
_STAND_INS: Final = (
    Organization(id=NOBODY, name=NOBODY, created_at=_BIRTH, updated_at=_BIRTH),
    User(
        id=NOBODY,
        organization_id=NOBODY,
        email="nobody@example.com",
        name=NOBODY,
        role=Role.VIEWER,
        created_at=_BIRTH,
        updated_at=_BIRTH,
    ),
    Credentials(organization_id=NOBODY, user_id=NOBODY, password_hash="x" * 96),
)
_TEXTS: Final = tuple((type(each), each.model_dump_json()) for each in _STAND_INS)


def look_up(accounts: AccountStore, credentials: CredentialStore) -> None:
    """Ask for a user and their credentials, and read what would be there."""
    accounts.user(NOBODY, NOBODY)
    credentials.get(NOBODY, NOBODY)
    for kind, text in _TEXTS:
        kind.model_validate(json.loads(text))


def decoy(clock: Clock, write: Put, asked_for: str) -> Put:
    """Keep the same values in places of the same kind where nobody looks, for an hour."""
    whose = f"nobody#{hashlib.sha256(asked_for.casefold().encode()).hexdigest()}"
    until = int((clock.now() + _KEPT).timestamp())
    indexes = {index: Key(NOBODY, f"{whose}#{key.sort}") for index, key in write.item.indexes.items()}
    return Put(Item(Key(whose, write.item.key.sort), write.item.values, indexes, until), write.when)
