"""A client's stdio connection, carried to the `/mcp` of a hub that runs, message by message.

Guarantees: both protocol eras pass through as the client speaks them; what the hub answers is
passed on as it is; every request is answered, whatever becomes of the hub, and the error says what
to do.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
)
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import (
    PROTOCOL_VERSION_META_KEY,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
)

from llm_mcp_hub.mcp.hub_transport import HubTransport
from llm_mcp_hub.mcp.stdio import Incoming, Outgoing

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 300.0
"""A hub says something on every open stream far more often than that."""


async def bridge(incoming: Incoming, outgoing: Outgoing, url: str, token: str | None) -> None:
    """Carry messages until the client has gone.

    Args:
        incoming: What the client says.
        outgoing: What it hears.
        url: Of the hub, without a slash at the end.
        token: An access token of that hub's, if it asks for one.
    """
    carrier = _Carrier()
    async with (
        _client(url, token) as client,
        streamable_http_client(f"{url}/mcp", http_client=client, max_sse_event_size=None) as hub,
        anyio.create_task_group() as tasks,
    ):
        from_hub, to_hub = hub

        async def down() -> None:
            async for message in from_hub:
                if isinstance(message, SessionMessage):
                    carrier.heard(message.message)
                    await outgoing.send(message)
            tasks.cancel_scope.cancel()

        tasks.start_soon(down)
        async for message in incoming:
            if isinstance(message, SessionMessage):
                await to_hub.send(carrier.addressed(message.message))
        tasks.cancel_scope.cancel()


def _client(url: str, token: str | None) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return httpx2.AsyncClient(
        headers=headers,
        transport=HubTransport(url),
        timeout=httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=False,
    )


class _Carrier:
    """Knows the protocol version of the connection, and so the headers of each message."""

    def __init__(self) -> None:
        self._initialize: object = None
        self._version: str | None = None

    def addressed(self, message: JSONRPCMessage) -> SessionMessage:
        """A client's message with the HTTP headers that its revision asks for."""
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            self._initialize, self._version = message.id, None
            return SessionMessage(message)
        headers = modern_headers(message) or (
            {MCP_PROTOCOL_VERSION_HEADER: self._version} if self._version is not None else {}
        )
        return SessionMessage(message, ClientMessageMetadata(headers=headers or None))

    def heard(self, message: JSONRPCMessage) -> None:
        """Notice the version that a handshake has settled on."""
        if (
            isinstance(message, JSONRPCResponse)
            and self._initialize is not None
            and message.id == self._initialize
        ):
            self._initialize = None
            version = message.result.get("protocolVersion")
            self._version = version if isinstance(version, str) else None


def modern_headers(message: JSONRPCMessage) -> dict[str, str]:
    """The headers of a request of the stateless revisions; none for other messages.

    They repeat what the body says (2026-07-28, Streamable HTTP).
    """
    if not isinstance(message, JSONRPCRequest):
        return {}
    params: Mapping[str, Any] = message.params or {}
    meta = params.get("_meta")
    version = meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, Mapping) else None
    if not isinstance(version, str):
        return {}
    headers = {MCP_PROTOCOL_VERSION_HEADER: version, MCP_METHOD_HEADER: message.method}
    name = params.get(NAME_BEARING_METHODS.get(message.method, ""))
    if isinstance(name, str):
        headers[MCP_NAME_HEADER] = encode_header_value(name)
    return headers
