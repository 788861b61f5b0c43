"""MCP over two file descriptors: one message a line.

Guarantees: nothing but protocol is written; a call that can't be understood is answered, too; a
peer that does not read, or never says anything more, holds nothing up, so ending takes no longer
than the caller's own work; when the peer has gone, the streams end.

The SDK's own transport reads and writes in threads that can't be cancelled: a program that uses it
ends only once its standard input does, whatever signal comes.
"""

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from queue import SimpleQueue

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

from llm_mcp_hub.workers.framing import LineFramer, LineTooLong

READ_BYTES = 1 << 16
FLUSH_SECONDS = 1.0
"""How long the last message may take to be written."""

Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
Outgoing = MemoryObjectSendStream[SessionMessage]

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class StdioConnection:
    """One connection.

    Attributes:
        incoming: What the peer says; ends when it has gone.
        outgoing: What it is told.
    """

    def __init__(
        self, incoming: Incoming, outgoing: Outgoing, reading: "asyncio.Task[None]"
    ) -> None:
        self.incoming = incoming
        self.outgoing = outgoing
        self._reading = reading

    def hang_up(self) -> None:
        """Hear nothing more, as if the peer had gone.

        The SDK's `Server.run` ends cleanly on that; a cancellation may make it fail (mcp 2.3).
        """
        self._reading.cancel()


@asynccontextmanager
async def stdio_connection(
    source: int, target: int, max_line_bytes: int
) -> AsyncIterator[StdioConnection]:
    """A connection over two descriptors, for `Server.run` or a bridge.

    Args:
        source: A descriptor that is read until its end. It stays open, as does `target`.
        target: A descriptor that is written to.
        max_line_bytes: Longest message accepted; a longer one ends the connection.
    """
    to_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, from_server = anyio.create_memory_object_stream[SessionMessage](0)
    reading = asyncio.create_task(_read(source, max_line_bytes, to_server, outgoing))
    writing = asyncio.create_task(_write(target, from_server, to_server))
    async with to_server, incoming, outgoing, from_server:
        try:
            yield StdioConnection(incoming, outgoing, reading)
        finally:
            outgoing.close()
            reading.cancel()
            await asyncio.wait([writing], timeout=FLUSH_SECONDS)
            writing.cancel()
            await asyncio.wait([reading, writing])


async def _read(
    source: int,
    max_line_bytes: int,
    to_server: MemoryObjectSendStream[SessionMessage | Exception],
    outgoing: Outgoing,
) -> None:
    framer = LineFramer(max_line_bytes)
    pieces = _Pieces(source)
    async with to_server:
        while data := await pieces.next():
            try:
                lines = framer.feed(data)
            except LineTooLong as error:
                log.error("mcp.message_too_long", max_bytes=error.limit)
                return
            for line in lines:
                message, refusal = _decode(line)
                try:
                    if message is not None:
                        await to_server.send(message)
                    elif refusal is not None:
                        await outgoing.send(refusal)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return  # nobody serves any more


def _decode(line: bytes) -> tuple[SessionMessage | None, SessionMessage | None]:
    """What a line says; or, if that can't be understood and somebody waits, the answer to it."""
    if not line.strip():
        return None, None
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False)), None
    except ValidationError as error:
        reason = error.errors(include_input=False, include_url=False)[0]
    log.warning("mcp.not_understood", reason=reason["msg"])
    code = PARSE_ERROR if reason["type"] == "json_invalid" else INVALID_REQUEST
    try:
        # Takes what a browser's `JSON.stringify` makes of half an emoji, too.
        said = json.loads(line)
    except (ValueError, RecursionError):
        request_id = None
    else:
        request_id = said.get("id") if isinstance(said, dict) and "method" in said else None
        if not isinstance(request_id, str | int):
            return None, None  # a notification, or an answer
    failure = ErrorData(code=code, message=f"The message can't be understood: {reason['msg']}.")
    return None, SessionMessage(JSONRPCError(jsonrpc="2.0", id=request_id, error=failure))


async def _write(
    target: int,
    from_server: MemoryObjectReceiveStream[SessionMessage],
    to_server: MemoryObjectSendStream[SessionMessage | Exception],
) -> None:
    writer = _Writer(target)
    async with from_server:
        async for message in from_server:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            try:
                await writer.write(text.encode("utf-8", "surrogatepass") + b"\n")
            except OSError:
                # A client that reads nothing more is a client that has gone.
                await to_server.aclose()
                return


class _Pieces:
    """What can be read, piece by piece, from a thread that nobody waits for at the end."""

    def __init__(self, source: int) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._wanted = threading.Semaphore(0)
        threading.Thread(target=self._run, name="mcp-stdin", daemon=True).start()

    async def next(self) -> bytes:
        """The next bytes; empty at the end."""
        self._wanted.release()
        return await self._queue.get()

    def _run(self) -> None:
        data = b"-"
        while data:
            self._wanted.acquire()
            try:
                data = os.read(self._source, READ_BYTES)
            except OSError:
                data = b""
            try:
                self._loop.call_soon_threadsafe(self._queue.put_nowait, data)
            except RuntimeError:
                return  # the loop has ended


class _Writer:
    """Writes in a thread that nobody waits for at the end."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[tuple[bytes, asyncio.Future[None]]] = SimpleQueue()
        threading.Thread(target=self._run, name="mcp-stdout", daemon=True).start()

    async def write(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            OSError: Nobody reads it any more.
        """
        done: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((data, done))
        await done

    def _run(self) -> None:
        while True:
            data, done = self._queue.get()
            error: OSError | None = None
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(self._target, view) :]
            except OSError as problem:
                error = problem
            try:
                self._loop.call_soon_threadsafe(_settle, done, error)
            except RuntimeError:
                return  # the loop has ended


def _settle(done: "asyncio.Future[None]", error: OSError | None) -> None:
    if done.cancelled():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
