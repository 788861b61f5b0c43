"""Server-sent events over ASGI, with a status line that can still be an error.

Guarantees: nothing is sent before the first event or `HOLD_SECONDS`, so that a failure until then
is a proper HTTP error; afterwards a failure is one `data: {"error": …}` and the stream ends
without `[DONE]`; a stream that is silent carries a comment every `HEARTBEAT_SECONDS`, so that
proxies keep it open; a client that does not take what it is sent within `STALL_SECONDS` is
treated as gone, so that it can't keep a worker and a session for ever. What is sent to a client
that has left goes nowhere and is no error: its answer may be made for somebody who comes back.
"""

import asyncio
from collections.abc import Sequence

from litestar.types import HTTPSendMessage, Send

from llm_mcp_hub.api.body import ClientGone
from llm_mcp_hub.within import limited

HOLD_SECONDS = 10.0
HEARTBEAT_SECONDS = 15.0
STALL_SECONDS = 120.0
TIMER_SLACK_SECONDS = 0.005
"""A timer may fire a moment before the clock that is compared with it says so."""
_COMMENT = b": keep-alive\n\n"


class EventStream:
    """Writes one response of events.

    Args:
        headers: Beside those that every event stream has.
    """

    __slots__ = (
        "_beat",
        "_beating",
        "_headers",
        "_loop",
        "_quiet_since",
        "_send",
        "_started",
        "_writing",
    )

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._headers = headers
        self._loop = asyncio.get_running_loop()
        self._quiet_since = self._loop.time()
        self._beating: asyncio.Task[None] | None = None
        self._beat = self._loop.call_later(HOLD_SECONDS, self._heartbeat)
        self._started = False
        self._writing = False

    @property
    def started(self) -> bool:
        """Whether the status line is out, or about to be."""
        return self._started or self._beating is not None

    async def write(self, data: bytes) -> None:
        """Send whole events.

        Raises:
            ClientGone: The client takes nothing any more.
        """
        # No heartbeat begins now, and one that has begun goes first.
        self._writing = True
        if self._beating is not None:
            await self._beating
            self._beating = None
        await self._write(data)
        self._quiet_since = self._loop.time()
        self._writing = False

    async def end(self, data: bytes = b"") -> None:
        """Send the last bytes and end the response.

        Raises:
            ClientGone: The client takes nothing any more.
        """
        self.stop()
        if self._beating is not None:
            await self._beating
        if not self._started:
            await self._put(self._head(), _body(data, more=False))
        else:
            await self._put(_body(data, more=False))

    def stop(self) -> None:
        """No more heartbeats."""
        self._beat.cancel()

    async def _write(self, data: bytes) -> None:
        if not self._started:
            await self._put(self._head(), _body(data, more=True))
        else:
            await self._put(_body(data, more=True))

    async def _put(self, *messages: HTTPSendMessage) -> None:
        try:
            await limited(self._send_all(messages), STALL_SECONDS)
        except TimeoutError:
            raise ClientGone from None
        except OSError:
            # What a server may raise for a connection that is gone (ASGI 2.4); others say nothing.
            return

    async def _send_all(self, messages: Sequence[HTTPSendMessage]) -> None:
        for message in messages:
            await self._send(message)

    def _head(self) -> HTTPSendMessage:
        self._started = True
        return {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-cache"),
                (b"x-accel-buffering", b"no"),
                *self._headers,
            ],
        }

    def _heartbeat(self) -> None:
        limit = HEARTBEAT_SECONDS if self.started else HOLD_SECONDS
        left = self._quiet_since + limit - self._loop.time()
        if left <= TIMER_SLACK_SECONDS:
            if not self._writing and (self._beating is None or self._beating.done()):
                self._beating = self._loop.create_task(self._write(_COMMENT))
                self._quiet_since = self._loop.time()
            left = HEARTBEAT_SECONDS
        self._beat = self._loop.call_later(left, self._heartbeat)


def _body(data: bytes, *, more: bool) -> HTTPSendMessage:
    return {"type": "http.response.body", "body": data, "more_body": more}
