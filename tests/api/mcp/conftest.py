"""The SDK's own client, over every transport and in both eras."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple, Protocol

import httpx2
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from llm_mcp_hub.testing.hub import TestHub


class Door(NamedTuple):
    """A transport and an era."""

    transport: str
    mode: str

    @property
    def modern(self) -> bool:
        """Whether the connection ends up at 2026-07-28."""
        return self.mode == "auto"


DOORS = [Door(transport, mode) for transport in ("http", "sse") for mode in ("auto", "legacy")]


class Connect(Protocol):
    def __call__(
        self, token: str | None = ..., door: Door | None = ..., **options: Any
    ) -> AbstractAsyncContextManager[Client]: ...


@pytest.fixture(params=DOORS, ids="-".join)
def door(request: pytest.FixtureRequest) -> Door:
    chosen: Door = request.param
    return chosen


@asynccontextmanager
async def sse(url: str, headers: dict[str, str]) -> AsyncIterator[tuple[Any, Any]]:
    """`sse_client`, which can be left at any time.

    A client first ends its session, which closes `read`, and then its transport. The SDK's (mcp
    2.3) raises BrokenResourceError out of both if a message comes in between, whatever the server:
    its reader reports the failure to the stream that has just failed. A second receiver keeps the
    stream open until the reader has gone.
    """
    async with AsyncExitStack() as kept, sse_client(url, headers=headers) as (read, write):
        await kept.enter_async_context(read.clone())
        yield read, write


@asynccontextmanager
async def connected(
    hub: TestHub,
    door: Door,
    token: str | None,
    *,
    streaming: asyncio.Event | None = None,
    **options: Any,
) -> AsyncIterator[Client]:
    """A client of the hub's.

    Args:
        streaming: Set once the client's own stream is open. Over Streamable HTTP a client of a
            handshake revision opens it in the background.
    """
    headers = hub.headers(token) if hub.hub.config.access.enabled else {}

    async def answered(response: httpx2.Response) -> None:
        if streaming is not None and response.request.method == "GET" and response.is_success:
            streaming.set()

    async with AsyncExitStack() as stack:
        if door.transport == "sse":
            transport: Any = sse(f"{hub.base_url}/sse", headers)
        else:
            http = await stack.enter_async_context(
                httpx2.AsyncClient(
                    headers=headers,
                    timeout=httpx2.Timeout(30, read=60),
                    event_hooks={"response": [answered]},
                )
            )
            transport = streamable_http_client(f"{hub.base_url}/mcp", http_client=http)
        yield await stack.enter_async_context(Client(transport, mode=door.mode, **options))


@pytest.fixture
def connect_to() -> Callable[..., AbstractAsyncContextManager[Client]]:
    """A client of any hub."""
    return connected


@pytest.fixture
def connect(hub: TestHub, door: Door) -> Connect:
    """A client of the module's hub, through the door that is being tried."""
    chosen = door

    def opened(
        token: str | None = None, door: Door | None = None, **options: Any
    ) -> AbstractAsyncContextManager[Client]:
        return connected(hub, door or chosen, token, **options)

    return opened
