"""The loopback server at which agents find the tools of their conversations.

Guarantees: it listens on 127.0.0.1 alone, and only once it was started; a toolbox is reached with
its own secret and no other; a page in a browser can't reach any (`Host` is checked, an `Origin` is
refused); a call that is held is answered at once with headers and then with signs of life; a call
whose connection ends is given up; what a client sends or does not send costs bounded memory and
time; after `aclose` nothing listens and no connection is open.
"""

import asyncio
import hmac
from collections.abc import Callable, Sequence

from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub_acp.client_tools import http
from llm_mcp_hub_acp.client_tools.http import Refused, Request
from llm_mcp_hub_acp.client_tools.toolbox import Held, Told, Toolbox

KEEPALIVE_SECONDS = 15.0
"""The Gemini CLI gives up an answer that says nothing for 60 s, even its headers (0.61.0)."""
MOST_CONNECTIONS = 256
CLOSE_SECONDS = 2.0
"""How long the connections get to end by themselves."""


class ToolServer:
    """See the module. Owned, and closed, by a provider."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._starting = asyncio.Lock()
        self._toolboxes: dict[str, Toolbox] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._closed = False
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port; a no-op if it does.

        Raises:
            OSError: No port is to be had.
        """
        async with self._starting:
            if self._server is None and not self._closed:
                self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
                self.port = self._server.sockets[0].getsockname()[1]

    def open(self, tools: Sequence[Tool], tell: Callable[[Told], None]) -> Toolbox:
        """Offer tools to a conversation."""
        toolbox = Toolbox(tools, tell)
        self._toolboxes[toolbox.id] = toolbox
        return toolbox

    def close(self, toolbox: Toolbox) -> None:
        """Offer them no more."""
        self._toolboxes.pop(toolbox.id, None)
        toolbox.close()

    def url(self, toolbox: Toolbox) -> str:
        """Where an agent finds it."""
        return f"http://127.0.0.1:{self.port}/mcp/{toolbox.id}"

    async def aclose(self) -> None:
        """End it; bounded."""
        self._closed = True
        async with self._starting:
            server, self._server = self._server, None
        for toolbox in list(self._toolboxes.values()):
            self.close(toolbox)
        if server is not None:
            server.close()
        if self._connections:
            await asyncio.wait(set(self._connections), timeout=CLOSE_SECONDS)
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(set(self._connections), timeout=CLOSE_SECONDS)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self._closed or len(self._connections) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, TimeoutError):
            writer.transport.abort()
        except asyncio.CancelledError:
            # Only `aclose` cancels, and asyncio logs a cancelled connection as an error.
            writer.transport.abort()
        finally:
            self._connections.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await http.read_request(reader, self._admit)
        except Refused as refused:
            allow = "Allow: POST\r\n" if refused.status == 405 else ""
            writer.write(http.answer(refused.status, more=allow))
            await http.linger(reader, writer)
        else:
            if request is not None:
                await self._answer(reader, writer, request)
        async with asyncio.timeout(http.READ_SECONDS):
            await writer.drain()
        writer.close()
        async with asyncio.timeout(http.READ_SECONDS):
            await writer.wait_closed()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request
    ) -> None:
        toolbox = self._toolbox_of(request)
        if toolbox is None:  # closed meanwhile
            writer.write(http.answer(401))
            return
        reply = toolbox.receive(bytes(request.body))
        if isinstance(reply, Held):
            try:
                await self._hold(reader, writer, reply)
            finally:
                toolbox.give_up(reply.call_id)
        else:
            writer.write(http.answer(202 if reply is None else 200, reply or b""))

    async def _hold(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, held: Held
    ) -> None:
        writer.write(http.stream_head())
        gone = asyncio.ensure_future(reader.read(1))
        try:
            while not held.reply.done():
                waits = (held.reply, gone)
                await asyncio.wait(
                    waits, timeout=KEEPALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if gone.done() and not held.reply.done():
                    raise ConnectionResetError
                if not held.reply.done():
                    writer.write(b": keepalive\n\n")
            answer = held.reply.result()
            if answer is None:
                raise ConnectionAbortedError
            writer.write(b"event: message\ndata: " + answer + b"\n\n")
        finally:
            gone.cancel()
            await asyncio.wait([gone])
            if not gone.cancelled():
                gone.exception()

    def _admit(self, request: Request) -> None:
        """Refuse a head that has no right to an answer."""
        if request.headers.get("host") != f"127.0.0.1:{self.port}":
            raise Refused(403)
        if "origin" in request.headers:
            raise Refused(403)
        if not request.path.startswith("/mcp/"):
            raise Refused(404)
        toolbox = self._toolbox_of(request)
        given = request.headers.get("authorization", "").encode("latin-1")
        secret = toolbox.secret if toolbox is not None else ""
        if not hmac.compare_digest(given, f"Bearer {secret}".encode()) or toolbox is None:
            raise Refused(401)
        if request.method != "POST":
            raise Refused(405)

    def _toolbox_of(self, request: Request) -> Toolbox | None:
        return self._toolboxes.get(request.path.removeprefix("/mcp/"))
