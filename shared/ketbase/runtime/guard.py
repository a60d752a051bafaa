"""Lets routes be called only by whom they are for."""

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from ketbase.accounts.types import Caller, Origin
from ketbase.auth.buckets import EmptyBucketError
from ketbase.errors import ForbiddenError, UnauthenticatedError
from ketbase.runtime import observability, wiring
from ketbase.runtime.settings import settings

_LONGEST_AGENT = 200
_LONGEST_ADDRESS = 64

_API_KEY = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="A key such as qsk_live_…", scheme_name="ApiKey"
)
_BEARER = HTTPBearer(
    auto_error=False,
    description="An access token from POST /v1/auth/token, or a key as a bearer token",
    scheme_name="Bearer",
)
_SESSION = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="An access token from POST /v1/auth/token, of somebody who signed in; keys are refused",
    scheme_name="Session",
)

type Bearer = HTTPAuthorizationCredentials | None


def origin_of(request: Request) -> Origin:
    """Say where a request came from."""
    agent = request.headers.get("user-agent", "")[:_LONGEST_AGENT]
    return Origin(address=_address(request), agent=agent, request_id=observability.request_id.get())


def _address(request: Request) -> str:
    """Find the address that the outermost of our own proxies saw; what lies before it, anybody may have written."""
    peer = request.client.host if request.client else ""
    chain = [each.strip() for each in request.headers.get("x-forwarded-for", "").split(",") if each.strip()]
    # API Gateway adds its peer to the header, and gives it as the client too.
    chain = chain if chain[-1:] == [peer] else [*chain, peer]
    place = settings().proxies + 1
    return (chain[-place] if place <= len(chain) else peer)[:_LONGEST_ADDRESS]


def _admit(request: Request, api_key: str | None, bearer: Bearer) -> Caller:
    admission, origin = wiring.admission(), origin_of(request)
    try:
        if api_key:
            caller, allowance = admission.by_key(api_key, origin)
        elif bearer:
            caller, allowance = admission.by_bearer(bearer.credentials, origin)
        else:
            raise UnauthenticatedError(
                "NOT_AUTHENTICATED",
                "Send your API key in the header X-API-Key, or an access token or the key as a bearer token.",
            )
    except EmptyBucketError as problem:
        request.state.allowance = problem.allowance
        raise
    request.state.caller = caller
    request.state.allowance = allowance
    return caller


def _authenticate(
    request: Request,
    scopes: SecurityScopes,
    api_key: Annotated[str | None, Depends(_API_KEY)],
    bearer: Annotated[Bearer, Depends(_BEARER)],
) -> Caller:
    caller = _admit(request, api_key, bearer)
    for scope in scopes.scopes:
        if not caller.may(scope):
            raise ForbiddenError("MISSING_SCOPE", f"This needs the scope {scope}.", scope=scope)
    return caller


def _authenticate_session(request: Request, bearer: Annotated[Bearer, Depends(_SESSION)]) -> Caller:
    # A key is admitted first, so that an unknown one is told so.
    caller = _admit(request, request.headers.get("x-api-key"), bearer)
    if caller.credential != "session":
        raise ForbiddenError("SESSION_REQUIRED", "Only somebody who signed in may do this; keys may not.")
    return caller


def requires(scope: str) -> Any:
    """Let a route be called only with `scope`, and give it the caller.

    Raises:
        UnauthenticatedError: when called, `NOT_AUTHENTICATED`, or what was shown is not good.
        ForbiddenError: when called, `MISSING_SCOPE`.
        RateLimitedError: when called, `RATE_LIMITED`.
    """
    return Security(_authenticate, scopes=[scope])


def signed_in() -> Any:
    """Let a route be called with any credential, whatever its scopes, and give it the caller.

    Raises:
        UnauthenticatedError: when called, `NOT_AUTHENTICATED`, or what was shown is not good.
        RateLimitedError: when called, `RATE_LIMITED`.
    """
    return Security(_authenticate)


def session_only() -> Any:
    """Let a route be called only by somebody who signed in, and give it the caller.

    Raises:
        UnauthenticatedError: when called, `NOT_AUTHENTICATED`, or what was shown is not good.
        ForbiddenError: when called, `SESSION_REQUIRED`, with an API key.
        RateLimitedError: when called, `RATE_LIMITED`.
    """
    return Security(_authenticate_session)
