"""Shows people their sessions, and ends them."""

from ketbase.accounts.types import Caller, Origin
from ketbase.audit.lines import line, system_line
from ketbase.auth.sessions import Session, Sessions, SessionView
from ketbase.auth.tokens import AccessTokens
from ketbase.errors import NotFoundError, UnauthenticatedError
from ketbase.ports.clock import Clock


class OwnSessions:
    """The sessions of whoever asks."""

    def __init__(self, sessions: Sessions, tokens: AccessTokens, clock: Clock):
        self._sessions = sessions
        self._tokens = tokens
        self._clock = clock

    def list(self, caller: Caller) -> list[SessionView]:
        """List the caller's sessions, the oldest first."""
        return [session.view(caller.credential_id) for session in self._sessions.of_user(caller.user_id)]

    def end(self, caller: Caller, session_id: str) -> None:
        """End one of the caller's sessions; its tokens are over at once.

        Raises:
            NotFoundError: `SESSION_NOT_FOUND`.
        """
        session = self._sessions.get(caller.user_id, session_id)
        self._sessions.end(session, line(self._clock, caller, "session.revoked", session.id))

    def revoke(self, token: str, origin: Origin) -> None:
        """End the session of a refresh token or an access token (RFC 7009); nonsense changes nothing."""
        session = self._of_refresh_token(token) or self._of_access_token(token)
        if session is not None:
            told = system_line(
                self._clock, session.organization_id, "session.revoked", session.id, origin, user_id=session.user_id
            )
            self._sessions.end(session, told)

    def _of_refresh_token(self, token: str) -> Session | None:
        try:
            return self._sessions.of_token(token)
        except UnauthenticatedError:
            return None

    def _of_access_token(self, token: str) -> Session | None:
        try:
            claims = self._tokens.verify(token)
            return self._sessions.get(claims.sub, claims.sid)
        except (UnauthenticatedError, NotFoundError):
            return None
