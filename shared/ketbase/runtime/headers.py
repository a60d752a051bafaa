"""The headers that tell browsers what they may do with an answer, and whose pages may ask for one."""

from collections.abc import Iterable
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY: Final = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Styles are for the drawings of circuits, which browsers also show as pages of their own.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Cache-Control": "no-store",
}
"""What every answer carries, unless its route says otherwise. They follow OWASP's REST security cheat sheet:
https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
"""

CORS_METHODS: Final = ("GET", "POST", "PUT", "DELETE", "PATCH")
CORS_ALLOWED: Final = ("Authorization", "Content-Type", "Idempotency-Key", "X-API-Key", "X-Request-ID")
CORS_EXPOSED: Final = (
    "X-Request-ID",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "Retry-After",
)
CORS_MAX_AGE_S: Final = 600
"""How long a browser remembers what it was allowed."""


class SecurityHeaders:
    """An ASGI layer that adds `SECURITY` to every answer."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_safely if scope["type"] == "http" else send)


def protect(app: Starlette, origins: Iterable[str]) -> None:
    """Put the layers around an application, the last one outermost.

    Args:
        app: the application, with all its other layers.
        origins: the web sites whose pages may call it.
    """
    allowed = list(origins)
    if allowed:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=allowed,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_ALLOWED,
            expose_headers=CORS_EXPOSED,
            allow_credentials=True,
            max_age=CORS_MAX_AGE_S,
        )
    app.add_middleware(SecurityHeaders)
