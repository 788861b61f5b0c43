"""MCP's own client holds conversations with the real Claude Code through the hub."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from openai import OpenAI
from tests.e2e.conftest import figures, until, workers

from llm_mcp_hub.testing.hub import TestHub
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi, Reply

pytestmark = [
    pytest.mark.real_cli,
    pytest.mark.anyio,
    pytest.mark.xdist_group("claude"),
    pytest.mark.timeout(180),
]

MODEL = "claude/sonnet"
DOORS = [("http", "auto"), ("http", "legacy"), ("sse", "auto"), ("sse", "legacy")]


@contextlib.asynccontextmanager
async def connected(hub: TestHub, transport: str, mode: Any) -> AsyncIterator[Client]:
    async with contextlib.AsyncExitStack() as stack:
        if transport == "sse":
            made: Any = sse_client(f"{hub.base_url}/sse", headers=hub.headers())
        else:
            http = httpx2.AsyncClient(headers=hub.headers(), timeout=60)
            await stack.enter_async_context(http)
            made = streamable_http_client(f"{hub.base_url}/mcp", http_client=http)
        yield await stack.enter_async_context(Client(made, mode=mode))


@pytest.mark.parametrize(("transport", "mode"), DOORS)
async def test_progress_comes_while_claude_writes_and_cancelling_stops_the_vendor_in_a_second(
    hub: TestHub, vendor: FakeMessagesApi, transport: str, mode: str
) -> None:
    vendor.script(Reply(text="some words that never end", pieces=5, hold_after=3))
    begun, told = asyncio.Event(), []

    async def progress(_progress: float, _total: float | None, message: str | None) -> None:
        told.append(message or "")
        begun.set()

    async with connected(hub, transport, mode) as client:
        call = asyncio.create_task(
            client.call_tool(
                "chat", {"model": MODEL, "message": "go on"}, progress_callback=progress
            )
        )
        async with asyncio.timeout(60):
            await begun.wait()
        assert not call.done()
        request, before = vendor.requests[-1], workers()
        assert request.state == "open"
        began = time.monotonic()
        call.cancel()
        await asyncio.wait([call])
        await asyncio.to_thread(vendor.wait, lambda: request.state == "aborted")
        took = time.monotonic() - began
        await asyncio.to_thread(until, lambda: figures(hub)[0] == 0, "the end of the claim")
        await asyncio.to_thread(until, lambda: before - workers(), "the end of the worker")
    assert "some words that never end".startswith("".join(told))
    assert took < 1


@pytest.mark.parametrize(("transport", "mode"), DOORS)
async def test_a_conversation_goes_on_from_one_door_to_the_other(
    hub: TestHub, client: OpenAI, vendor: FakeMessagesApi, transport: str, mode: str
) -> None:
    session = f"doors-{transport}-{mode}"
    async with connected(hub, transport, mode) as mcp:
        first = await mcp.call_tool(
            "chat", {"model": MODEL, "message": "one", "session_id": session}
        )
        assert first.structured_content["text"] == "echo: one"
        await asyncio.to_thread(
            client.chat.completions.create,
            model=MODEL,
            messages=[{"role": "user", "content": "two"}],
            extra_headers={"X-Session-ID": session},
        )
        third = await mcp.call_tool("chat", {"message": "three", "session_id": session})
    assert third.structured_content["text"] == "echo: three"
    said = [
        "".join(block.get("text", "") for block in blocks)
        for role, blocks in vendor.requests[-1].turns
        if role != "system"
    ]
    assert said == ["one", "echo: one", "two", "echo: two", "three"]
