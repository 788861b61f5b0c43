"""A caller of a hub's, in its own process."""

import asyncio

from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.command import ChatCommand


async def read_turn(
    hub: Hub, principal: Principal, command: ChatCommand, begun: asyncio.Event
) -> None:
    """Open a turn, read it to its end and close it; `begun` is set with its first chunks."""
    turn = await hub.chat.open_turn(principal, command)
    try:
        async for _ in turn:
            begun.set()
    finally:
        await turn.aclose()
