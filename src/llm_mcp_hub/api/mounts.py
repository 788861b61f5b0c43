"""Serving the applications that plugins mount.

Guarantee: a mounted application that can't be opened, or has not been yet, costs nothing else of
the hub: requests below its path get 503.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import unquote

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import ASGIApp, Receive, Send
from litestar.types import Scope as AsgiScope

from llm_mcp_hub.api.gate import Gate, public
from llm_mcp_hub.errors import MountUnavailable
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.mounts import AsgiApp, Mount, MountContext


class Mounts:
    """The mounted applications of one hub.

    Args:
        base: Where the hub's routes begin, without a slash at the end.
    """

    def __init__(self, hub: Hub, base: str) -> None:
        self._hub = hub
        self._base = base
        self._apps: dict[str, AsgiApp] = {}

    def handlers(self, gate: Gate) -> list[ASGIRouteHandler]:
        """A route for each application."""
        return [self._handler(mount, gate) for mount in self._hub.mounts.values()]

    @asynccontextmanager
    async def opened(self, api: ASGIApp) -> AsyncIterator[None]:
        """Have the applications open inside the block.

        Args:
            api: The application whose routes they may call.
        """
        async with AsyncExitStack() as stack:
            for plugin, mount in self._hub.mounts.items():
                context = MountContext(self._base + mount.path, api, self._base)
                try:
                    app = await stack.enter_async_context(mount.open(context))
                except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it does, the hub starts
                    self._hub.plugins.leave_out(plugin, error)
                else:
                    self._apps[mount.path] = app
            try:
                yield
            finally:
                self._apps.clear()

    def _handler(self, mount: Mount, gate: Gate) -> ASGIRouteHandler:
        @asgi(mount.path, is_mount=True, copy_scope=True, guards=[public(gate)])
        async def mounted(scope: AsgiScope, receive: Receive, send: Send) -> None:
            app = self._apps.get(mount.path)
            if app is None:
                raise MountUnavailable(
                    f"{mount.title} is not there; the hub's log and `llm-mcp-hub doctor` say why."
                )
            # Litestar strips the mount's path; `raw_path` still has all of it.
            scope["path"] = unquote(scope["raw_path"].partition(b"?")[0].decode("ascii"))
            await app(scope, receive, send)

        return mounted
