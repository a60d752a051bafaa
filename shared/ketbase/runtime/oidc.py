"""The cookie that binds a way to the identity provider to one browser."""

from fastapi import Request
from fastapi.responses import Response

from ketbase.auth.types import JOURNEY

COOKIE = "__Host-ketbase-oidc"
"""The prefix holds browsers to Secure, to the path / and to this host alone."""


def remember[R: Response](answer: R, browser: str) -> R:
    """Let the browser keep the cookie while it is away; nobody may keep the answer."""
    seconds = int(JOURNEY.total_seconds())
    # Lax, for the way back comes from another site.
    answer.set_cookie(COOKIE, browser, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def browser_of(request: Request) -> str:
    """Read the cookie; empty where there is none."""
    return request.cookies.get(COOKIE, "")


def forget(answer: Response) -> None:
    """Take the cookie away again; nobody may keep the answer."""
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    answer.headers["Cache-Control"] = "no-store"
