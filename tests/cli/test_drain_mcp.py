"""How `llm-mcp-hub serve` ends while MCP's clients are connected."""

import asyncio
import contextlib
import time

import httpx2
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

TOKEN = "Access token (admin, shown only now): "
DOORS = [("http", "auto"), ("http", "legacy"), ("sse", "auto"), ("sse", "legacy")]
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


class Served:
    def __init__(self, process):
        self.process = process
        self.url = process.line("LLM MCP Hub ").rpartition(" ")[2]
        self.headers = {"authorization": f"Bearer {process.line(TOKEN)}"}

    @contextlib.asynccontextmanager
    async def client(self, transport, mode):
        stack = contextlib.AsyncExitStack()
        if transport == "sse":
            made = sse_client(f"{self.url}/sse", headers=self.headers)
        else:
            http = httpx2.AsyncClient(headers=self.headers, timeout=60)
            await stack.enter_async_context(http)
            made = streamable_http_client(f"{self.url}/mcp", http_client=http)
        client = await stack.enter_async_context(Client(made, mode=mode))
        await client.list_tools()  # it looks at their schemas, also after a hub that has gone
        try:
            yield client
        finally:
            # To leave a hub that has gone fails in ways that are the client's affair.
            with contextlib.suppress(Exception):
                await stack.aclose()


@pytest.fixture
def serve(start, tmp_path, environment):
    # MCP's libraries leave the streams of a call that is broken off to the garbage collector.
    environment["PYTHONWARNINGS"] = "error,ignore::ResourceWarning"

    def serve_it(drain_seconds=600):
        file = tmp_path / "hub.toml"
        file.write_text(
            f"[server]\ndrain_seconds = {drain_seconds}\n[providers.echo]\nword_seconds = 0.05\n"
        )
        return Served(start("serve", "--port", "0", "--config", str(file)))

    return serve_it


async def first(begun, call):
    """Wait for the first progress of a call, which must not end before."""
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait({waiting, call}, return_when=asyncio.FIRST_COMPLETED)
    assert begun.is_set(), call.result()


@pytest.mark.parametrize(("transport", "mode"), DOORS)
async def test_a_call_that_runs_is_answered_and_then_all_streams_end(serve, transport, mode):
    hub = serve()
    text = " ".join(map(str, range(40)))
    begun = asyncio.Event()

    async def progress(_progress, _total, _message):
        begun.set()

    async with hub.client(transport, mode) as client:
        call = asyncio.create_task(
            client.call_tool("chat", {"message": text}, progress_callback=progress)
        )
        await first(begun, call)
        hub.process.signal()
        answer = await call
        assert await asyncio.to_thread(hub.process.end) == 0
    assert answer.structured_content["text"] == text
    assert hub.process.end() == 0
    assert "Traceback" not in hub.process.errors
    assert "without completing" not in hub.process.errors


async def test_open_streams_without_a_call_do_not_hold_up_the_end(serve):
    hub = serve()
    async with contextlib.AsyncExitStack() as stack:
        for transport, mode in DOORS:
            client = await stack.enter_async_context(hub.client(transport, mode))
            if mode == "auto":
                await stack.enter_async_context(
                    client.listen(resource_subscriptions=["session://s"])
                )
        began = time.monotonic()
        hub.process.signal()
        code = await asyncio.to_thread(hub.process.end)
        took = time.monotonic() - began
    assert code == 0
    assert took < 3  # less than the server waits for connections that do not end
    assert "Traceback" not in hub.process.errors
    assert "without completing" not in hub.process.errors


async def test_a_call_that_takes_too_long_is_told_so(serve):
    hub = serve(drain_seconds=1)
    begun = asyncio.Event()

    async def progress(_progress, _total, _message):
        begun.set()

    async with hub.client("http", "legacy") as client:
        call = asyncio.create_task(
            client.call_tool("chat", {"message": "word " * 9999}, progress_callback=progress)
        )
        await first(begun, call)
        hub.process.signal()
        answer = await call
    assert answer.is_error
    assert answer.structured_content["error"]["code"] == "draining"
    assert hub.process.end() == 0
