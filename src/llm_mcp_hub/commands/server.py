"""The HTTP server in this process.

Guarantees: the address is announced once the socket accepts; on SIGTERM or SIGINT the hub takes
no new turn, finishes those that run for at most `server.drain_seconds`, ends its children and the
process exits with 0; a second signal waits for nothing but the children, a third for nothing.
"""

import gc
import signal
import socket
from collections.abc import Awaitable, Callable
from types import FrameType

import uvicorn

from llm_mcp_hub.app import create_app
from llm_mcp_hub.errors import InternalError
from llm_mcp_hub.hub import Hub

KEEP_ALIVE_SECONDS = 75
"""Longer than clients and reverse proxies keep a connection, so that they end it and not we."""

Announce = Callable[[int], Awaitable[None]]


class HubServer(uvicorn.Server):
    """Serves one hub.

    Args:
        announce: Called with the port once it accepts.
    """

    def __init__(self, hub: Hub, announce: Announce) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(hub=hub),
                http="httptools",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=hub.config.server.drain_seconds,
            )
        )
        self._hub = hub
        self._announce = announce

    def serve_until_stopped(self, sockets: list[socket.socket]) -> None:
        """Serve on bound sockets until a signal comes.

        Raises:
            InternalError: The hub could not start.
        """
        try:
            self.run(sockets=sockets)
        except SystemExit:
            raise InternalError("The hub could not start; the log says why.") from None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if not self.should_exit and sockets:
            await self._announce(sockets[0].getsockname()[1])
        gc.collect()
        gc.freeze()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        """Begin to end, or hurry."""
        self._hub.drain()
        if self.should_exit:
            self.force_exit = True
            for one in (signal.SIGINT, signal.SIGTERM):
                signal.signal(one, signal.SIG_DFL)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; children are ended in any case."""
        await super().shutdown(sockets)
        if self.force_exit:
            # uvicorn leaves this out when it is in a hurry.
            await self.lifespan.shutdown()
