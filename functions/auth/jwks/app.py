"""GET /.well-known/jwks.json: the keys that verify access tokens."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from ketbase.runtime.http import lambda_handler
from ketbase.runtime.wiring import signing_keys

router = APIRouter(tags=["auth"])


@router.get("/.well-known/jwks.json")
def list_signing_keys(response: Response) -> dict[str, list[dict[str, Any]]]:
    """List the public keys (RFC 7517); look again where a token names another."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return {"keys": [dict(key) for key in signing_keys().published()]}


handler = lambda_handler(router)
