"""One request of a client's, as the tools, resources and prompts see it.

The only module that reaches into what the SDK does not make public: `connection_of`.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext

from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.hub import Hub

Context = ServerRequestContext[Any, Any]
PrincipalOf = Callable[[Context], Principal]
"""Who a request comes from. Asked anew for each: over HTTP each brings its own access token."""

GONE = "llm_mcp_hub.gone"
"""Key of the ASGI scope under which a door puts an `asyncio.Event`: set once the connection that
the answer would go to is gone."""


class Call:
    """One request.

    Attributes:
        hub: Whom it asks.
        principal: Who asks.
        context: The SDK's side of it.
    """

    def __init__(self, hub: Hub, principal: Principal, context: Context) -> None:
        self.hub = hub
        self.principal = principal
        self.context = context
        self._steps = 0

    @property
    def wants_progress(self) -> bool:
        """Whether the client asked to be told of progress."""
        meta = (self.context.params or {}).get("_meta")
        return isinstance(meta, dict) and meta.get("progressToken") is not None

    async def progress(self, message: str = "", total: float | None = None) -> None:
        """Tell the client of progress; without a message it is a sign of life.

        The number grows by one each time, as the protocol requires it to grow.
        """
        self._steps += 1
        await self.context.session.report_progress(self._steps, total, message or None)

    @property
    def gone(self) -> asyncio.Event | None:
        """Set once the connection is gone; None where that ends the call by itself."""
        request = self.context.request
        return None if request is None else request.scope.get(GONE)


def connection_of(context: Context) -> Connection:
    """The connection a request came on, which outlives it in the handshake revisions (mcp 2.3)."""
    return context.session._connection  # noqa: SLF001  # the SDK's handlers see it no other way
