"""The HTTP server in this process.

Guarantees: the address is announced once the socket accepts; on SIGTERM or SIGINT the hub says
that it is not ready and refuses new turns, while those that run may go on for
`server.drain_seconds`; what runs then is stopped and its callers are told; then the children are
ended, and the process exits with 0. A second signal ends the waiting at once, a third the process.
"""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from types import FrameType

import structlog
import uvicorn

from llm_mcp_hub.app import create_app
from llm_mcp_hub.commands.collector import spare_the_turns
from llm_mcp_hub.errors import InternalError
from llm_mcp_hub.hub import Hub

KEEP_ALIVE_SECONDS = 75
"""Longer than clients and reverse proxies keep a connection, so that they end it and not we."""
FLUSH_SECONDS = 3
"""How long clients may take to fetch the end of their answers once no turn runs any more, and
requests that are no turns to finish."""

Announce = Callable[[int], Awaitable[None]]

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


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
                timeout_graceful_shutdown=FLUSH_SECONDS,
            )
        )
        self._hub = hub
        self._announce = announce
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hurry = asyncio.Event()

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
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self._hub.config.mcp.enabled:
            from llm_mcp_hub.mcp.mount import leave_streams_to_the_hub  # noqa: PLC0415  # see api.mcp

            leave_streams_to_the_hub()
        if not self.should_exit and sockets:
            await self._announce(sockets[0].getsockname()[1])
        spare_the_turns()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        """Begin to end, or hurry."""
        self._hub.drain()
        if self.should_exit:
            for one in (signal.SIGINT, signal.SIGTERM):
                signal.signal(one, signal.SIG_DFL)
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._hurry.set)
        self.should_exit = True

    async def main_loop(self) -> None:
        """Serve; then drain, still listening, so that whoever asks is told where it stands."""
        await super().main_loop()
        drain_seconds = self._hub.config.server.drain_seconds
        log.info("hub.draining", drain_seconds=drain_seconds)
        waiting = {
            asyncio.create_task(self._hub.wait_until_idle(drain_seconds)),
            asyncio.create_task(self._hurry.wait()),
        }
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await self._hub.stop_turns()
