"""`/mcp`, `/sse` and `/messages`: the hub for MCP's clients, behind the same gate as all else.

Guarantee: the MCP libraries are imported when the application starts to serve, and not at all
where `mcp.enabled` is false.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from litestar import asgi
from litestar.enums import ScopeType
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from llm_mcp_hub.api.gate import Gate, caller, guard
from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.running import refused

if TYPE_CHECKING:
    from llm_mcp_hub.mcp.mount import McpMount

MCP_PATH = "/mcp"
SSE_PATH = "/sse"
MESSAGES_PATH = "/messages"

NO_CSRF = {"exclude_from_csrf": True}
"""For an application that embeds the hub: a bearer token is no cookie."""


class McpRoutes:
    """The routes of one hub, below `path`."""

    def __init__(self, hub: Hub, path: str) -> None:
        self._hub = hub
        self._messages_path = f"{path.rstrip('/')}{MESSAGES_PATH}"
        self._mount: McpMount | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """For as long as the application serves."""
        if not self._hub.config.mcp.enabled:
            yield
            return
        from llm_mcp_hub.mcp.mount import McpMount  # noqa: PLC0415  # half a second, 40 MB

        mount = McpMount(self._hub, _principal_of, self._messages_path)
        await mount.start()
        self._mount = mount
        try:
            yield
        finally:
            self._mount = None
            await mount.aclose()

    def handlers(self, gate: Gate) -> list[ASGIRouteHandler]:
        """The route handlers; none if MCP is off."""
        if not self._hub.config.mcp.enabled:
            return []
        guards = [guard(gate)]

        # A stateless hub has no stream to get and no session to delete.
        methods = ("POST",) if self._hub.config.mcp.stateless else ("GET", "POST", "DELETE")

        @asgi(MCP_PATH, guards=guards, copy_scope=True, opt=NO_CSRF)
        async def streamable(scope: Scope, receive: Receive, send: Send) -> None:
            if await _takes(scope, send, *methods):
                await self._serving.streamable(caller(scope), *_plain(scope, receive, send))

        @asgi(SSE_PATH, guards=guards, copy_scope=True, opt=NO_CSRF)
        async def sse(scope: Scope, receive: Receive, send: Send) -> None:
            if await _takes(scope, send, "GET"):
                await self._serving.sse(caller(scope), *_plain(scope, receive, send))

        @asgi(MESSAGES_PATH, guards=guards, copy_scope=True, opt=NO_CSRF)
        async def messages(scope: Scope, receive: Receive, send: Send) -> None:
            if await _takes(scope, send, "POST"):
                await self._serving.messages(caller(scope), *_plain(scope, receive, send))

        return [streamable, sse, messages]

    @property
    def _serving(self) -> "McpMount":
        if self._mount is None:
            raise refused()
        return self._mount


def _principal_of(context: Any) -> Principal:
    """Whom the gate has admitted with the request that carries the message."""
    return caller(context.request.scope)


async def _takes(scope: Scope, send: Send, *methods: str) -> bool:
    """Whether there is a request to serve; a websocket, which comes here, too, is closed."""
    if scope["type"] == ScopeType.WEBSOCKET:
        await send({"type": "websocket.close", "code": 1000, "reason": "Use HTTP."})
        return False
    if scope["method"] not in methods:
        raise MethodNotAllowedException(headers={"Allow": ", ".join(methods)})
    return True


def _plain(scope: Scope, receive: Receive, send: Send) -> tuple[Any, Any, Any]:
    """The same for the SDK, whose types of ASGI are Starlette's."""
    return scope, receive, send
