"""GET /v1/auth/oidc/start: go to the identity provider to sign in there."""

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from ketbase.runtime.http import lambda_handler
from ketbase.runtime.oidc import remember
from ketbase.runtime.wiring import oidc

router = APIRouter(tags=["auth"])


@router.get("/v1/auth/oidc/start", status_code=302, response_class=RedirectResponse)
def start_oidc() -> RedirectResponse:
    """Send the browser to the identity provider, with a cookie by which the way back is known."""
    journey = oidc().start()
    return remember(RedirectResponse(journey.url, 302), journey.browser)


handler = lambda_handler(router)
