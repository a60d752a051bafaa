"""Sessions: each is a family of refresh tokens, of which only the newest is good."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from ketbase.accounts.types import Origin
from ketbase.errors import NotFoundError, UnauthenticatedError
from ketbase.ids import new_id
from ketbase.ports.clock import Clock
from ketbase.ports.records import (
    Absent,
    ConditionFailedError,
    Delete,
    Equals,
    Item,
    Key,
    Present,
    Put,
    Records,
    Update,
    Write,
    walk,
)
from ketbase.types import Model, Moment

_SECRET_BYTES = 24
_BATCH = 100


class SessionView(Model):
    """A session, as its user sees it.

    Attributes:
        address: where it was used from last.
        agent: the program that used it last.
        current: whether it is the one that asks.
    """

    id: str
    created_at: Moment
    last_used: Moment
    expires_at: Moment
    address: str
    agent: str
    current: bool = False


class Session(Model):
    """A session, as it is kept.

    Attributes:
        family_hash: of the part that all refresh tokens of the session share.
        token_hash: of the part that only the newest has.
        idle_until: when it ends unless it is refreshed.
        ends_at: when it ends in any case.
        generation: the one of the user's credentials when it was opened; it is over when they have another.
    """

    id: str
    organization_id: str
    user_id: str
    family_hash: str
    token_hash: str
    created_at: Moment
    last_used: Moment
    idle_until: Moment
    ends_at: Moment
    address: str = ""
    agent: str = ""
    generation: int = 0

    def view(self, current_id: str = "") -> SessionView:
        """Show it to its user."""
        return SessionView(
            id=self.id,
            created_at=self.created_at,
            last_used=self.last_used,
            expires_at=self.idle_until,
            address=self.address,
            agent=self.agent,
            current=self.id == current_id,
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A session and its newest refresh token, which is shown once."""

    session: Session
    refresh_token: str


class ReusedError(UnauthenticatedError):
    """A refresh token came a second time: somebody has a copy of it, and nobody knows who.

    Attributes:
        session: the one it belongs to.
    """

    def __init__(self, session: Session):
        super().__init__(
            "SESSION_REVOKED", "This refresh token was used before; the session is over. Sign in again."
        )
        self.session = session


def place(user_id: str, session_id: str) -> Key:
    """Where a session lies."""
    return Key(f"user#{user_id}", f"session#{session_id}")


class Sessions:
    """Opens, refreshes and ends sessions."""

    def __init__(self, records: Records, clock: Clock, *, idle: timedelta, longest: timedelta):
        """Wire the sessions.

        Args:
            records: where they lie.
            clock: the time.
            idle: how long one lives that nobody refreshes.
            longest: how long one lives at most.
        """
        self._records = records
        self._clock = clock
        self._idle = idle
        self._longest = longest

    def open(
        self,
        organization_id: str,
        user_id: str,
        origin: Origin,
        beside: Callable[[Session], Iterable[Write]] = lambda _session: (),
        *,
        generation: int = 0,
    ) -> Opened:
        """Open a session, together with the writes that `beside` makes for it.

        Raises:
            ConditionFailedError: a condition of `beside` did not hold.
        """
        now = self._clock.now()
        family, token = _part(), _part()
        session = Session(
            id=new_id("session"),
            organization_id=organization_id,
            user_id=user_id,
            family_hash=_hash(family),
            token_hash=_hash(token),
            created_at=now,
            last_used=now,
            idle_until=now + min(self._idle, self._longest),
            ends_at=now + self._longest,
            address=origin.address,
            agent=origin.agent,
            generation=generation,
        )
        self._records.write(Put(_item(session), (Absent(),)), *beside(session))
        return Opened(session, _written(session, family, token))

    def refresh(self, refresh_token: str, origin: Origin) -> Opened:
        """Exchange a refresh token for the next one; it is good once.

        Raises:
            UnauthenticatedError: `INVALID_REFRESH_TOKEN`.
            ReusedError: it was used before.
        """
        known, family, token = self._find(refresh_token)
        if not hmac.compare_digest(known.token_hash, _hash(token)):
            raise ReusedError(known)
        now = self._clock.now()
        following = _part()
        renewed = known.model_copy(
            update={
                "token_hash": _hash(following),
                "last_used": now,
                "idle_until": min(now + self._idle, known.ends_at),
                "address": origin.address,
                "agent": origin.agent,
            }
        )
        try:
            self._records.write(Put(_item(renewed), (Equals("token_hash", known.token_hash),)))
        except ConditionFailedError as problem:
            # Between the read and the write somebody else used it, or ended the session.
            raise ReusedError(known) from problem
        return Opened(renewed, _written(renewed, family, following))

    def of_token(self, refresh_token: str) -> Session:
        """Find the session of a refresh token, the newest or an earlier one.

        Raises:
            UnauthenticatedError: `INVALID_REFRESH_TOKEN`.
        """
        return self._find(refresh_token)[0]

    def get(self, user_id: str, session_id: str) -> Session:
        """Read a user's session.

        Raises:
            NotFoundError: `SESSION_NOT_FOUND`.
        """
        item = self._records.get(place(user_id, session_id))
        if item is None:
            raise NotFoundError("SESSION_NOT_FOUND", "You have no such session.", session_id=session_id)
        return Session.model_validate(item.values)

    def of_user(self, user_id: str) -> Iterator[Session]:
        """Walk a user's sessions, the oldest first."""
        items = walk(self._records, f"user#{user_id}", prefix="session#", limit=_BATCH)
        return (Session.model_validate(item.values) for item in items)

    def carry_over(self, user_id: str, session_id: str, generation: int) -> Update:
        """Make the write that lets a session go on in another generation; it does not hold where it has ended."""
        return Update(place(user_id, session_id), set={"generation": generation}, when=(Present(),))

    def end(self, session: Session, *beside: Write) -> bool:
        """End a session, together with the writes `beside`; `False` where somebody else did so before."""
        try:
            self._records.write(Delete(place(session.user_id, session.id), (Present(),)), *beside)
        except ConditionFailedError:
            return False
        return True

    def end_all(self, user_id: str, *, spare: str = "") -> int:
        """End a user's sessions at once, but for the one with the id `spare`.

        Returns:
            How many there were.
        """
        ids = [session.id for session in self.of_user(user_id) if session.id != spare]
        for start in range(0, len(ids), _BATCH):
            self._records.write(*(Delete(place(user_id, each)) for each in ids[start : start + _BATCH]))
        return len(ids)

    def _find(self, refresh_token: str) -> tuple[Session, str, str]:
        unknown = UnauthenticatedError("INVALID_REFRESH_TOKEN", "This refresh token is not known, or is over.")
        parts = refresh_token.split(".")
        if len(parts) != 4 or not all(parts) or not refresh_token.isascii():
            raise unknown
        user_id, session_id, family, token = parts
        item = self._records.get(place(user_id, session_id))
        if item is None:
            raise unknown
        session = Session.model_validate(item.values)
        # Who merely guesses ids must not be able to end other people's sessions by sending nonsense.
        if not hmac.compare_digest(session.family_hash, _hash(family)):
            raise unknown
        return session, family, token


def _part() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)


def _hash(part: str) -> str:
    """The parts are random, so that a plain hash of one cannot be turned back by guessing."""
    return hashlib.sha256(part.encode()).hexdigest()


def _written(session: Session, family: str, token: str) -> str:
    return f"{session.user_id}.{session.id}.{family}.{token}"


def _item(session: Session) -> Item:
    seconds = int(session.idle_until.timestamp())
    return Item(place(session.user_id, session.id), session.model_dump(mode="json"), expires_at=seconds)
