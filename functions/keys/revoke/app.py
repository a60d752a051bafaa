"""DELETE /v1/api-keys/{key_id}: revoke an API key."""

from fastapi import APIRouter

from ketbase.runtime.http import Caller, lambda_handler, signed_in
from ketbase.runtime.wiring import key_issuer

router = APIRouter(tags=["keys"])


@router.delete("/v1/api-keys/{key_id}", status_code=204)
def revoke_key(key_id: str, caller: Caller = signed_in()) -> None:
    """Refuse a key from now on: one's own; with the scope keys:write, anybody's who is not above the caller."""
    key_issuer().revoke(caller, key_id)


handler = lambda_handler(router)
