"""The MCP server over HTTP: Streamable HTTP in both eras, and HTTP with SSE, as ASGI applications.

Guarantees: one endpoint serves the handshake revisions (up to 2025-11-25) and the stateless one
(2026-07-28), told apart by the request's headers; an MCP session and an SSE connection belong to
the principal that opened them; once `stop` was called, every open stream ends with a complete
response. Who may call is not decided here: requests come with their principal.
"""

import asyncio
from contextlib import suppress
from typing import Any

import anyio
import structlog
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import CallNext, HandlerResult
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from sse_starlette.sse import AppStatus
from starlette.types import Message, Receive, Scope, Send

from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.errors import LimitReached
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.mcp.call import GONE, Context, PrincipalOf
from llm_mcp_hub.mcp.server import make_server
from llm_mcp_hub.mcp.subscriptions import Subscriptions
from llm_mcp_hub.services.running import refused

BODY_SECONDS = 60.0
"""How long a client may take to send a body."""
FLUSH_SECONDS = 1.0
"""How long calls may take to end once no turn runs any more."""
WRITE_SECONDS = 0.1
"""How long their results may take to the sockets."""
LISTEN = "subscriptions/listen"
"""The one request that lasts until one of both sides ends it."""
MAX_SESSIONS = 2000
"""Of the handshake revisions at once. Some clients never end theirs, so that they pass by time."""
MAX_SSE_CONNECTIONS = 1000

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class McpMount:
    """The endpoints of one hub, between `start` and `aclose`.

    Args:
        hub: The hub.
        principal_of: Who a request comes from.
        messages_path: Where the clients of `sse` are to post.
    """

    def __init__(self, hub: Hub, principal_of: PrincipalOf, messages_path: str) -> None:
        stateless = hub.config.mcp.stateless
        self._subscriptions = Subscriptions(hub.events, principal_of)
        server = make_server(hub, principal_of, self._subscriptions, lasting=not stateless)
        server.middleware.append(self._count)
        self._manager = StreamableHTTPSessionManager(
            server,
            stateless=stateless,
            max_sessions=MAX_SESSIONS,
            max_request_body_size=hub.config.server.max_body_bytes,
        )
        self._sse_server = make_server(hub, principal_of, self._subscriptions)
        self._sse_server.middleware.append(self._count)
        self._sse = SseServerTransport(
            messages_path, max_request_body_size=hub.config.server.max_body_bytes
        )
        self._connections: set[anyio.CancelScope] = set()
        self._answering = 0
        self._stopped = asyncio.Event()
        self._idle = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        hub.when_stopped(self.stop)

    async def start(self) -> None:
        """Take requests from now on."""
        ready = asyncio.Event()
        self._serving = asyncio.get_running_loop().create_task(self._serve(ready))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([self._serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        if not ready.is_set():
            waiting.cancel()
            await self._serving

    def stop(self) -> None:
        """End what is open, in a moment; requests are refused from now on."""
        self._stopped.set()
        self._subscriptions.close()

    async def aclose(self) -> None:
        """Stop, and wait for it."""
        self.stop()
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def streamable(
        self, principal: Principal, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """`/mcp`.

        Raises:
            Draining: The hub is stopping.
        """
        self._refuse_if_stopped()
        request = _Request(receive, send)
        scope[GONE] = request.gone
        scope["user"] = _user(principal)
        await self._manager.asgi_app(scope, request.receive, request.send)
        await request.finish()

    async def sse(self, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        """`/sse`: a connection, until one of both sides ends it.

        Raises:
            LimitReached: There are `MAX_SSE_CONNECTIONS`.
            Draining: The hub is stopping.
        """
        self._refuse_if_stopped()
        if len(self._connections) >= MAX_SSE_CONNECTIONS:
            raise LimitReached("Too many SSE connections are open; try again later.")
        request = _Request(receive, send)
        scope["user"] = _user(principal)
        with anyio.CancelScope() as connection:
            self._connections.add(connection)
            try:
                async with self._sse.connect_sse(scope, request.receive, request.send) as (
                    messages,
                    answers,
                ):
                    options = self._sse_server.create_initialization_options()
                    await self._sse_server.run(messages, answers, options)
            finally:
                self._connections.discard(connection)
        await request.finish()

    async def messages(
        self, principal: Principal, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """`/messages`: what the client of an SSE connection says.

        Raises:
            Draining: The hub is stopping.
        """
        self._refuse_if_stopped()
        request = _Request(receive, send)
        scope["user"] = _user(principal)
        # The SDK (mcp 2.3) answers 202 before it hands the message on. While the calls of a
        # connection that has ended unwind, there is nobody left to take one.
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            await self._sse.handle_post_message(scope, request.receive, request.send)

    def _refuse_if_stopped(self) -> None:
        if self._stopped.is_set():
            raise refused()

    async def _count(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Around every message of a client's: know of those that are being answered."""
        if ctx.method == LISTEN:
            return await call_next(ctx)
        self._answering += 1
        try:
            return await call_next(ctx)
        finally:
            self._answering -= 1
            if not self._answering:
                self._idle.set()

    async def _serve(self, ready: asyncio.Event) -> None:
        async with self._manager.run():
            ready.set()
            await self._stopped.wait()
            if self._answering:
                self._idle.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(FLUSH_SECONDS):
                        await self._idle.wait()
            await asyncio.sleep(WRITE_SECONDS)
            for connection in list(self._connections):
                connection.cancel()


class _Request:
    """One ASGI call: bounded in how long its body takes, and complete in what it answers.

    Attributes:
        gone: Set once the client has left.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self.gone = asyncio.Event()
        self._receive = receive
        self._send = send
        self._body_until: float | None = asyncio.get_running_loop().time() + BODY_SECONDS
        self._open = False

    async def receive(self) -> Message:
        """The next message; a body that takes too long is as good as a client that has left."""
        try:
            async with asyncio.timeout_at(self._body_until):
                message = await self._receive()
        except TimeoutError:
            message = {"type": "http.disconnect"}
        if message["type"] == "http.disconnect":
            self.gone.set()
        elif not message.get("more_body", False):
            self._body_until = None
        return message

    async def send(self, message: Message) -> None:
        """Send, and note whether the response is complete."""
        if message["type"] == "http.response.start":
            self._open = True
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self._open = False
        await self._send(message)

    async def finish(self) -> None:
        """Complete a response that was broken off on our side."""
        if self._open and not self.gone.is_set():
            self._open = False
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def leave_streams_to_the_hub() -> None:
    """Keep the SSE library from cutting every stream of the process at SIGTERM.

    For a process that calls `Hub.stop_turns` itself: running answers may go on while it drains.
    """
    AppStatus.enable_automatic_graceful_drain = False


def _user(principal: Principal) -> Any:
    """The principal as the SDK knows it, which binds sessions to its name. The token stays ours."""
    return AuthenticatedUser(AccessToken(token="", client_id=principal.name, scopes=[]))
