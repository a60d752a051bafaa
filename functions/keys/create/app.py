"""POST /v1/api-keys: make an API key."""

from fastapi import APIRouter

from ketbase.accounts.requests import CreateKey
from ketbase.accounts.views import NewKey
from ketbase.runtime.http import Caller, Envelope, lambda_handler, signed_in
from ketbase.runtime.wiring import key_issuer

router = APIRouter(tags=["keys"])


@router.post("/v1/api-keys", status_code=201)
def create_key(body: CreateKey, caller: Caller = signed_in()) -> Envelope[NewKey]:
    """Make a key of one's own, shown only now; with an API key only where it has the scope keys:write."""
    return Envelope.of(key_issuer().create(caller, body))


handler = lambda_handler(router)
