"""What every request passes: a request id, a limit on the body, one log line, and a net under all errors."""

import hmac
import re
import time

from pydantic_core import from_json
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ketbase.auth.buckets import Allowance
from ketbase.errors import ForbiddenError, InvalidError, KetbaseError, TooLargeError
from ketbase.ids import new_id
from ketbase.runtime import observability
from ketbase.runtime.envelope import error_response
from ketbase.runtime.settings import settings

MAX_BODY_BYTES = 1_000_000
_REQUEST_ID = re.compile(r"^[\w.:-]{1,128}$")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class RequestFrame:
    """The outermost ASGI layer of every application."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.match(given) else new_id("req")
        observability.request_id.set(request_id)
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update({"X-Request-ID": request_id, **_allowance(scope)})
            await send(message)

        try:
            _refuse_detour(headers)
            body = await _limited(headers, receive)
            await self._app(scope, body, send_with_id)
        except Exception as problem:  # noqa: BLE001 (the net: whatever it is, the caller gets an envelope)
            if not isinstance(problem, KetbaseError):
                observability.log_exception("request failed", path=scope["path"])
            if status == 0:
                await error_response(problem)(scope, receive, send_with_id)
        finally:
            _record(scope, status, (time.perf_counter() - started) * 1_000)


def _refuse_detour(headers: Headers) -> None:
    """Refuse what did not come through CloudFront, where that stands before the API.

    Raises:
        ForbiddenError: `NOT_THROUGH_THE_EDGE`.
    """
    secret = settings().edge_secret.get_secret_value()
    if secret and not hmac.compare_digest(headers.get("x-ketbase-edge", "").encode(), secret.encode()):
        raise ForbiddenError("NOT_THROUGH_THE_EDGE", "This API is reached at its public address only.")


async def _limited(headers: Headers, receive: Receive) -> Receive:
    """Read the body up to the limit, and hand it on in one piece."""
    declared = headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY_BYTES:
            raise _too_large()
        more = message.get("more_body", False)
    whole: Message = {"type": "http.request", "body": _readable(b"".join(chunks)), "more_body": False}
    given = False

    async def receive_whole() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return whole

    return receive_whole


def _readable(body: bytes) -> bytes:
    """Return the body, if all of its text can be kept and sent back: UTF-8, and no half of a character.

    JSON may name half of a character (a lone surrogate, `\\ud800`), and Python's reader takes it, and takes other
    encodings too.

    Raises:
        InvalidError: `MALFORMED_JSON`.
    """
    try:
        body.decode()
        if b"\0" in body:
            raise ValueError("it holds the character NUL")
        if _SURROGATE.search(body):
            from_json(body)
    except ValueError as problem:
        raise InvalidError("MALFORMED_JSON", f"The body is not JSON in UTF-8: {problem}.") from problem
    return body


def _allowance(scope: Scope) -> dict[str, str]:
    """What is left in the caller's bucket, where there is a caller."""
    left: Allowance | None = scope.get("state", {}).get("allowance")
    if left is None:
        return {}
    return {
        "X-RateLimit-Limit": str(left.limit),
        "X-RateLimit-Remaining": str(left.remaining),
        "X-RateLimit-Reset": str(left.full_at),
    }


def _too_large() -> TooLargeError:
    return TooLargeError(
        "BODY_TOO_LARGE", f"A body has at most {MAX_BODY_BYTES:,} bytes.", limit_bytes=MAX_BODY_BYTES
    )


def _record(scope: Scope, status: int, milliseconds: float) -> None:
    route = scope.get("route")
    endpoint = getattr(route, "path", "unmatched")
    caller = scope.get("state", {}).get("caller")
    who = {name: getattr(caller, name, None) for name in ("organization_id", "user_id")}
    # A route may be about a user, too.
    about = {
        f"target_{name}" if name in who else name: value
        for name, value in scope.get("path_params", {}).items()
        if name.endswith("_id")
    }
    observability.log(
        f"{scope['method']} {scope['path']} {status}",
        method=scope["method"],
        endpoint=endpoint,
        status=status,
        duration_ms=round(milliseconds, 2),
        **who,
        **about,
    )
    labels = {"method": scope["method"], "endpoint": endpoint}
    observability.measure("RequestDuration", milliseconds, "Milliseconds", **labels)
    observability.measure("Requests", 1, status=str(status), **labels)
