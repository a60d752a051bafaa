"""GET /v1/api-keys: list API keys."""

from fastapi import APIRouter

from ketbase.accounts.views import KeyView
from ketbase.paging import PageRequest
from ketbase.runtime.http import Caller, Listing, lambda_handler, paged, signed_in
from ketbase.runtime.wiring import key_issuer

router = APIRouter(tags=["keys"])


@router.get("/v1/api-keys")
def list_keys(page: PageRequest = paged, caller: Caller = signed_in()) -> Listing[KeyView]:
    """List one's own keys; with the scope keys:read, those of the whole organisation."""
    return Listing.of(key_issuer().list(caller, page))


handler = lambda_handler(router)
