"""Serving one MCP client: with a hub inside, or by carrying its messages to one that runs.

The hub inside uses the user's own state, as every command does, beside a hub that serves: the
leases in the store keep two turns of one session apart. Its caller is whoever has started it: the
principal `local`, or the one that `--principal` names. That takes no right away from anybody, for
whoever can start it can read the state's file.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from llm_mcp_hub.commands.collector import spare_the_turns
from llm_mcp_hub.commands.embedded import open_hub
from llm_mcp_hub.commands.mcp_token import read_token
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.mcp.bridge import bridge
from llm_mcp_hub.mcp.call import Context
from llm_mcp_hub.mcp.server import make_server
from llm_mcp_hub.mcp.stdio import Incoming, Outgoing, stdio_connection
from llm_mcp_hub.mcp.subscriptions import Subscriptions
from llm_mcp_hub.services.access import LOCAL

Serve = Callable[[Incoming, Outgoing], Awaitable[None]]


def embedded(config: HubConfig, principal: str | None) -> Serve:
    """Serve with a hub inside; its providers get ready while the client introduces itself."""
    caller = LOCAL
    if principal is not None and principal != LOCAL.name:
        caller = Principal(principal, frozenset({Scope.CHAT, Scope.SESSIONS}))

    def principal_of(_: Context) -> Principal:
        return caller

    async def serve(incoming: Incoming, outgoing: Outgoing) -> None:
        async with open_hub(config) as hub:
            subscriptions = Subscriptions(hub.events, principal_of)
            server = make_server(hub, principal_of, subscriptions)
            try:
                await server.run(incoming, outgoing, server.create_initialization_options())
            finally:
                subscriptions.close()

    return serve


def bridged(url: str, token_file: Path | None) -> Serve:
    """Serve by carrying messages to the hub at a URL.

    Raises:
        InvalidRequest: There is no token in the file.
    """
    token = None if token_file is None else read_token(token_file)

    async def serve(incoming: Incoming, outgoing: Outgoing) -> None:
        await bridge(incoming, outgoing, url, token)

    return serve


def run(serve: Serve, source: int, target: int, max_line_bytes: int) -> None:
    """Serve until the client has gone or a signal comes; a second one does not wait for answers."""
    asyncio.run(_run(serve, source, target, max_line_bytes))


async def _run(serve: Serve, source: int, target: int, max_line_bytes: int) -> None:
    async with stdio_connection(source, target, max_line_bytes) as connection:
        serving = asyncio.ensure_future(serve(connection.incoming, connection.outgoing))
        signals = 0

        def stop() -> None:
            nonlocal signals
            signals += 1
            if signals == 1:
                connection.hang_up()
            else:
                serving.cancel()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        spare_the_turns()
        with suppress(asyncio.CancelledError):
            await serving
