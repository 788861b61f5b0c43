"""Server-sent events over ASGI, with a status line that can still be an error.

Guarantees: nothing is sent before the first event or `HOLD_SECONDS`, so that a failure until then
is a proper HTTP error; afterwards a failure is one `data: {"error": …}` and the stream ends
without `[DONE]`; a stream that is silent carries a comment every `HEARTBEAT_SECONDS`, so that
proxies keep it open.
"""

import asyncio

from litestar.types import Send

HOLD_SECONDS = 10.0
HEARTBEAT_SECONDS = 15.0
_COMMENT = b": keep-alive\n\n"


class EventStream:
    """Writes one response of events.

    Args:
        headers: Beside those that every event stream has.
    """

    __slots__ = ("_beat", "_beating", "_headers", "_loop", "_quiet_since", "_send", "started")

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._headers = headers
        self._loop = asyncio.get_running_loop()
        self._quiet_since = self._loop.time()
        self._beating: asyncio.Task[None] | None = None
        self._beat = self._loop.call_later(HOLD_SECONDS, self._heartbeat)
        self.started = False

    async def write(self, data: bytes) -> None:
        """Send whole events."""
        if self._beating is not None:
            await self._beating
            self._beating = None
        self._quiet_since = self._loop.time()
        await self._write(data)

    async def end(self, data: bytes = b"") -> None:
        """Send the last bytes and end the response."""
        self.stop()
        if self._beating is not None:
            await self._beating
        if not self.started:
            await self._start()
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    def stop(self) -> None:
        """No more heartbeats."""
        self._beat.cancel()

    async def _write(self, data: bytes) -> None:
        if not self.started:
            await self._start()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _start(self) -> None:
        self.started = True
        await self._send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"text/event-stream; charset=utf-8"),
                    (b"cache-control", b"no-cache"),
                    (b"x-accel-buffering", b"no"),
                    *self._headers,
                ],
            }
        )

    def _heartbeat(self) -> None:
        quiet = self._loop.time() - self._quiet_since
        limit = HEARTBEAT_SECONDS if self.started else HOLD_SECONDS
        if quiet >= limit and (self._beating is None or self._beating.done()):
            # `write` waits for this task, so the comment never falls into an event.
            self._beating = self._loop.create_task(self._write(_COMMENT))
            self._quiet_since = self._loop.time()
            quiet = 0.0
        self._beat = self._loop.call_later(HEARTBEAT_SECONDS - quiet, self._heartbeat)
