"""The servers that are compared, each run as `python benchmarks/servers.py KIND …`.

`hub`: the whole hub, everything on, with the echo provider. `bare`: one Litestar handler that
parses the same request and answers with the same bytes, and nothing else. `bare-mcp`: the SDK's
own MCP server and application, with a tool that answers as the hub's `list_providers` does, from
memory. Run with `-P`: beside this file is one that is called like the SDK.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
import uvloop
from litestar import Litestar, post
from litestar.response import Stream

from llm_mcp_hub import HubConfig, create_app
from llm_mcp_hub.api.openai.schemas import ChatCompletion, ChatCompletionRequest
from llm_mcp_hub.api.openai.wire import EventEncoder, whole
from llm_mcp_hub.commands.collector import spare_the_turns
from llm_mcp_hub.config import LogConfig
from llm_mcp_hub.domain.chunk import FinishChunk, FinishReason, TextChunk, Usage
from llm_mcp_hub.domain.completion import fold
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.log import configure_logging
from llm_mcp_hub.workers.spawn import SPAWNER

WORDS = [f" word{number}" for number in range(20)]
CHUNKS = [*map(TextChunk, WORDS), FinishChunk(FinishReason.STOP, Usage(20, 0, 20))]


@post("/v1/chat/completions", status_code=200)
async def bare(data: ChatCompletionRequest) -> Any:
    """Answer with the same bytes as the hub, from memory."""
    if not data.stream:
        completion = fold(CHUNKS)
        assert completion is not None
        answer: ChatCompletion = whole(completion, "turn-0", 0, "echo/echo")
        return answer
    encoder = EventEncoder("turn-0", 0, "echo/echo", include_usage=False)

    async def events() -> AsyncIterator[bytes]:
        yield encoder.encode(CHUNKS) + encoder.end(Usage(20, 0, 20), len(CHUNKS))

    return Stream(events(), media_type="text/event-stream")


def bare_mcp() -> Any:
    """The SDK's own server and application."""
    from mcp.server.lowlevel import Server  # noqa: PLC0415  # the others do without
    from mcp_types import CallToolResult, ListToolsResult, TextContent  # noqa: PLC0415

    from llm_mcp_hub.domain.status import ProviderState  # noqa: PLC0415
    from llm_mcp_hub.mcp.schemas import ProviderObject, ProvidersResult  # noqa: PLC0415
    from llm_mcp_hub.mcp.tools import input_schema, tool_list  # noqa: PLC0415

    figures = (None, None, None, "", ["echo/echo"], 2, 0, 0)
    found = ProvidersResult([ProviderObject("echo", ProviderState.AVAILABLE, "", "", *figures)])

    async def list_tools(_context: Any, _params: Any) -> Any:
        return ListToolsResult(tools=tool_list())

    async def call_tool(_context: Any, _params: Any) -> Any:
        text = msgspec.json.encode(found).decode()
        return CallToolResult(
            content=[TextContent(type="text", text=text)],
            structured_content=msgspec.to_builtins(found),
        )

    server: Server[Any] = Server(
        "bare",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=input_schema,
    )
    return server.streamable_http_app()


async def serve(app: Any, hub: Hub | None) -> None:
    """Serve on a free port; print the port and a token when ready."""
    config = uvicorn.Config(
        app,
        port=0,
        loop="none",
        http="httptools",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    token = await hub.access.create_first() if hub is not None else "none"
    spare_the_turns()
    port = server.servers[0].sockets[0].getsockname()[1]
    sys.stdout.write(f"{port} {token}\n")
    sys.stdout.flush()
    await serving


def main() -> None:
    """`servers.py bare LOG`, `bare-mcp LOG` or `hub LOG STATE_URL DATA_DIR WORKERS`."""
    kind, log = sys.argv[1], Path(sys.argv[2])
    # Threads and children inherit the core of the thread that starts them.
    os.sched_setaffinity(0, {0})
    SPAWNER.submit(os.sched_setaffinity, 0, {(os.cpu_count() or 1) - 1}).result()
    with log.open("a") as stream:
        configure_logging(LogConfig(format="json"), stream)
        if kind == "bare":
            app: Any = Litestar([bare], openapi_config=None, logging_config=None)
            hub = None
        elif kind == "bare-mcp":
            app, hub = bare_mcp(), None
        else:
            state, data_dir, workers = sys.argv[3:6]
            echo = {
                "word_seconds": 0,
                "pool": {"min_spare": 2, "max_workers": int(workers), "queue_seconds": 120},
            }
            hub = Hub(HubConfig(data_dir=data_dir, state=state, providers={"echo": echo}))
            app = create_app(hub=hub)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(app, hub))


if __name__ == "__main__":
    main()
