"""Takes the files that are sent to this machine, as S3 takes them at a presigned address."""

from collections.abc import Callable
from functools import partial

from anyio import from_thread, to_thread
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ketbase.adapters.blobs.files import FileBlobs
from ketbase.errors import ForbiddenError, KetbaseError, TooLargeError
from ketbase.runtime.envelope import error_response
from ketbase.runtime.uploads import PREFIX


class UploadDoor:
    """An ASGI layer before an application, whose own limit on bodies is far smaller."""

    def __init__(self, app: ASGIApp, blobs: FileBlobs, key_of: Callable[[str], str | None], limit_bytes: int):
        """Wire it.

        Args:
            app: which answers all other requests.
            blobs: where the files go.
            key_of: takes a path, and gives the blob's key, or `None` for an address that is not good.
            limit_bytes: of one file.
        """
        self._app = app
        self._blobs = blobs
        self._key_of = key_of
        self._limit = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a file, or hand the request on."""
        if scope["type"] != "http" or scope["method"] != "PUT" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        try:
            key = self._key_of(scope["path"])
            if key is None:
                raise ForbiddenError("UPLOAD_EXPIRED", "This address takes no file, or none any more.")
            headers = Headers(scope=scope)
            await to_thread.run_sync(partial(self._take, key, headers, receive))
            answer = Response()
        except KetbaseError as problem:
            answer = error_response(problem)
        await answer(scope, receive, send)

    def _take(self, key: str, headers: Headers, receive: Receive) -> None:
        declared = headers.get("content-length", "0")
        if declared.isdigit():
            self._refuse_more(int(declared))
        size, more = 0, True
        kind = headers.get("content-type", "application/octet-stream")[:255]
        with self._blobs.incoming(key, content_type=kind) as write:
            while more:
                message = from_thread.run(_next, receive)
                if message["type"] != "http.request":
                    raise ForbiddenError("UPLOAD_BROKEN_OFF", "The file did not arrive whole.")
                piece = message.get("body", b"")
                size += len(piece)
                self._refuse_more(size)
                write(piece)
                more = message.get("more_body", False)

    def _refuse_more(self, size: int) -> None:
        if size > self._limit:
            raise TooLargeError(
                "FILE_TOO_LARGE", f"A file has at most {self._limit:,} bytes.", limit_bytes=self._limit
            )


async def _next(receive: Receive) -> Message:
    return await receive()
