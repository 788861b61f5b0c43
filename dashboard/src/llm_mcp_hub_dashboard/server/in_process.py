"""HTTP to an ASGI application in this process, streamed.

Guarantee: the body of a response arrives as the application sends it, the application is held up
while nobody reads, and it is told of a disconnect, and ended, when the response is closed. (The
transport that comes with httpx collects the whole body first.)
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
AHEAD = 16
"""So many pieces of a body may wait for the reader."""
CLOSE_SECONDS = 5.0
"""How long an application may take to end once it is told that the client has gone."""


class InProcessTransport(httpx.AsyncBaseTransport):
    """Sends requests to `app`."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Run the application until its response begins.

        Raises:
            httpx.RemoteProtocolError: It ended without one.
        """
        call = _Call(await request.aread())
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": (request.url.host, request.url.port or 80),
            "client": ("127.0.0.1", 0),
            "state": {},
            "extensions": {},
        }
        call.run(self._app, scope)
        status, headers = await call.begun()
        return httpx.Response(status, headers=headers, stream=call)


class _Call(httpx.AsyncByteStream):
    """One request: the two channels of ASGI, and the response's body."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._gone = asyncio.Event()
        self._head: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] = (
            asyncio.get_running_loop().create_future()
        )
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(AHEAD)
        self._task: asyncio.Task[None] | None = None

    def run(self, app: AsgiApp, scope: dict[str, Any]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(app, scope))

    async def begun(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        try:
            return await self._head
        except BaseException:
            await self.aclose()
            raise

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece

    async def aclose(self) -> None:
        self._gone.set()
        if self._task is None or self._task.done():
            return
        while not self._pieces.empty():
            self._pieces.get_nowait()
        await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self, app: AsgiApp, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001  # whatever the application does, the caller learns
            if not self._head.done():
                self._head.set_exception(httpx.RemoteProtocolError(f"the call failed: {error!r}"))
        if not self._head.done():
            self._head.set_exception(httpx.RemoteProtocolError("the call ended without an answer"))
        await self._put(None)

    async def _receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if self._gone.is_set():
            raise OSError("the client has gone")
        if message["type"] == "http.response.start" and not self._head.done():
            self._head.set_result((message["status"], list(message.get("headers", []))))
        elif message["type"] == "http.response.body" and message.get("body"):
            await self._put(bytes(message["body"]))

    async def _put(self, piece: bytes | None) -> None:
        """Hand a piece on, unless the reader leaves meanwhile."""
        if self._gone.is_set():
            return
        put = asyncio.ensure_future(self._pieces.put(piece))
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({put, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            put.cancel()
            gone.cancel()
