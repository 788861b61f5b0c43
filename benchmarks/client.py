"""A load client that costs as little as Python allows: one keep-alive connection per caller."""

import asyncio
import time
from typing import cast


class Caller(asyncio.Protocol):
    """One caller. `ask` sends a request and returns its times and its number of chunks."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[None] | None = None
        self._buffer = bytearray()
        self._first = 0.0
        self._streamed = False

    @classmethod
    async def connect(cls, port: int) -> "Caller":
        loop = asyncio.get_running_loop()
        _, caller = await loop.create_connection(cls, "127.0.0.1", port)
        return caller

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._buffer:
            self._first = time.perf_counter()
        self._buffer += data
        if self._complete() and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server closed the connection"))

    async def ask(self, request: bytes, *, streamed: bool) -> tuple[float, float, int]:
        """Seconds to the first byte, seconds to the last, and `data:` events seen."""
        assert self._transport is not None
        self._buffer.clear()
        self._streamed = streamed
        self._done = asyncio.get_running_loop().create_future()
        started = time.perf_counter()
        self._transport.write(request)
        await self._done
        ended = time.perf_counter()
        if b" 200 " not in self._buffer[:20]:
            raise RuntimeError(bytes(self._buffer).decode("utf-8", "replace"))
        return self._first - started, ended - started, self._buffer.count(b'"content":')

    @property
    def failed(self) -> bool:
        """Whether the last stream ended with an error and not with an answer."""
        return b'data: {"error":' in self._buffer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _complete(self) -> bool:
        if self._streamed and self._buffer.startswith(b"HTTP/1.1 200 "):
            return self._buffer.endswith(b"0\r\n\r\n")
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return False
        at = self._buffer.lower().find(b"content-length: ")
        end = self._buffer.find(b"\r\n", at)
        return len(self._buffer) >= head + 4 + int(self._buffer[at + 16 : end])


def post(port: int, token: str, body: bytes, session_id: str | None) -> bytes:
    """The bytes of a chat request."""
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    if session_id is not None:
        lines.append(f"X-Session-ID: {session_id}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
