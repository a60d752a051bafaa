"""The keys that sign access tokens: one signs, the earlier ones verify until the last token they signed is over."""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from joserfc.jwk import ECKey

from ketbase.ids import new_id
from ketbase.ports.clock import Clock
from ketbase.ports.records import Absent, Condition, ConditionFailedError, Equals, Item, Key, Put, Records, Write
from ketbase.types import Model, Moment
from ketbase.vault import Vault

ALGORITHM = "ES256"
TOKEN_LIFETIME = timedelta(hours=1)
_REMEMBERED = timedelta(minutes=5)
"""How long a process goes on signing with what it read: rotation need not tell anybody."""
_OVERLAP = TOKEN_LIFETIME + 2 * _REMEMBERED
_PLACE = Key("installation", "signing-keys")


class SigningKey(Model):
    """One key.

    Attributes:
        id: the `kid` of the tokens that it signs.
        public: the JWK that anybody may have.
        sealed: the private JWK, sealed.
        good_until: when the last token that it signed is over; `None` while it signs.
    """

    id: str
    public: dict[str, Any]
    sealed: str
    created_at: Moment
    good_until: Moment | None = None


class KeyRing(Model):
    """All keys that are good, the one that signs first."""

    keys: tuple[SigningKey, ...]
    version: int

    @property
    def current(self) -> SigningKey:
        """The one that signs."""
        return self.keys[0]


class SigningKeys:
    """The key ring of the installation, in one item, so that it changes in one step."""

    def __init__(self, records: Records, vault: Callable[[], Vault], clock: Clock):
        """Wire the keys; the vault is asked for only by who signs, for to verify takes no secret."""
        self._records = records
        self._vault = vault
        self._clock = clock
        self._ring: tuple[KeyRing, datetime] | None = None
        self._opened: dict[str, ECKey] = {}
        self._lock = threading.Lock()

    def signer(self) -> tuple[str, ECKey]:
        """Give the id and the private key to sign with."""
        current = self._ring_now().current
        with self._lock:
            if current.id not in self._opened:
                self._opened = {current.id: ECKey.import_key(json.loads(self._vault().open(current.sealed)))}
            return current.id, self._opened[current.id]

    def verifier(self, key_id: str) -> ECKey | None:
        """Find the public key with an id, if it is good."""
        # A key that is not known may have been made a moment ago.
        for ring in (self._remembered(), self._read()):
            known = next((key for key in self._good(ring) if key.id == key_id), None)
            if known is not None:
                return ECKey.import_key(known.public)
        return None

    def published(self) -> list[Mapping[str, Any]]:
        """List the public keys that verify tokens, the one that signs first."""
        return [key.public for key in self._good(self._ring_now())]

    def rotate(self, *beside: Write, older_than: timedelta = timedelta(0)) -> str | None:
        """Let a new key sign, unless the one that does is young; of two who rotate at once, one does.

        Args:
            beside: what else is written in the same transaction.
            older_than: how old the key has to be that signs now.

        Returns:
            The id of the new key; `None` where nothing changed.
        """
        now = self._clock.now()
        ring = self._read() or self._first()
        if now - ring.current.created_at < older_than:
            return None
        retired = ring.current.model_copy(update={"good_until": now + _OVERLAP})
        made = self._new_key()
        following = KeyRing(keys=(made, retired, *self._good(ring)[1:]), version=ring.version + 1)
        if not self._write(following, Equals("version", ring.version), *beside):
            return None
        return made.id

    def _ring_now(self) -> KeyRing:
        return self._remembered() or self._first()

    def _remembered(self) -> KeyRing | None:
        if self._ring is None or self._clock.now() - self._ring[1] > _REMEMBERED:
            return self._read()
        return self._ring[0]

    def _read(self) -> KeyRing | None:
        item = self._records.get(_PLACE)
        if item is None:
            return None
        ring = KeyRing.model_validate(item.values)
        self._ring = (ring, self._clock.now())
        return ring

    def _first(self) -> KeyRing:
        self._write(KeyRing(keys=(self._new_key(),), version=1), Absent())
        ring = self._read()
        if ring is None:
            raise LookupError("the signing keys were taken away while they were made")
        return ring

    def _good(self, ring: KeyRing | None) -> list[SigningKey]:
        now = self._clock.now()
        return [key for key in ring.keys if key.good_until is None or key.good_until > now] if ring else []

    def _write(self, ring: KeyRing, condition: Condition, *beside: Write) -> bool:
        try:
            self._records.write(Put(Item(_PLACE, ring.model_dump(mode="json")), (condition,)), *beside)
        except ConditionFailedError:
            self._ring = None
            return False
        self._ring = (ring, self._clock.now())
        return True

    def _new_key(self) -> SigningKey:
        name = new_id("signing")
        private = ECKey.generate_key("P-256", {"kid": name, "use": "sig", "alg": ALGORITHM})
        return SigningKey(
            id=name,
            public=dict(private.as_dict(private=False)),
            sealed=self._vault().seal(json.dumps(private.as_dict(private=True))),
            created_at=self._clock.now(),
        )
