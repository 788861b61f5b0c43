"""The stateless switch, an application of somebody else's, and two replicas on one state."""

import asyncio
import subprocess
import sys

import httpx
import httpx2
import pytest
from litestar import Litestar
from litestar.config.csrf import CSRFConfig
from tests.api.mcp.conftest import DOORS, Door

from llm_mcp_hub import HubPlugin
from llm_mcp_hub.testing.hub import create_test_hub

pytestmark = pytest.mark.anyio

HTTP = [door for door in DOORS if door.transport == "http"]


@pytest.fixture(scope="module")
def stateless(scripted):
    with create_test_hub({"mcp": {"stateless": True}}, plugins=[("scripted", scripted)]) as hub:
        yield hub


@pytest.mark.parametrize("door", HTTP, ids="-".join)
async def test_a_stateless_hub_serves_both_eras(stateless, connect_to, door, scripted, until):
    told = []

    async def progress(_progress, _total, message):
        told.append(message)

    async with connect_to(stateless, door, None) as client:
        assert (await client.list_tools()).tools
        words = await client.call_tool(
            "chat", {"model": "echo/echo", "message": "one two"}, progress_callback=progress
        )
        assert words.structured_content["text"] == "one two"
        assert (await client.read_resource("provider://list")).contents
        before = scripted.running
        call = asyncio.create_task(
            client.call_tool("chat", {"model": "scripted/one", "message": "wait"})
        )
        await asyncio.to_thread(until, lambda: scripted.running == before + 1)
        call.cancel()
        await asyncio.wait([call])
    await asyncio.to_thread(until, lambda: scripted.running == before)


def test_a_stateless_hub_has_no_stream_to_get_and_no_session_to_delete(stateless):
    for method in ("GET", "DELETE"):
        answer = httpx.request(
            method,
            f"{stateless.base_url}/mcp",
            headers={**stateless.headers(), "accept": "text/event-stream"},
        )
        assert answer.status_code == 405
        assert answer.headers["allow"] == "POST"


async def test_a_stateless_hub_promises_no_notices_it_can_not_send(stateless, connect_to):
    async with connect_to(stateless, Door("http", "legacy"), None) as client:
        assert client.server_capabilities.resources.subscribe is False
    async with connect_to(stateless, Door("sse", "legacy"), None) as client:
        assert client.server_capabilities.resources.subscribe is True


@pytest.fixture(scope="module")
def embedded():
    def theirs(hub):
        return Litestar(
            plugins=[HubPlugin(hub=hub, path="/llm")],
            csrf_config=CSRFConfig(secret="s" * 32),
            logging_config=None,
        )

    with create_test_hub(app=theirs) as hub:
        hub.base_url += "/llm"
        yield hub


async def test_it_works_below_a_path_of_somebody_else_s_application(embedded, connect_to, door):
    async with connect_to(embedded, door, None) as client:
        answer = await client.call_tool("chat", {"model": "echo/echo", "message": "inside"})
    assert answer.structured_content["text"] == "inside"


async def test_two_replicas_serve_one_client_of_a_stateless_hub(tmp_path, connect_to, scripted):
    scripted.go.clear()
    state = f"sqlite:///{tmp_path / 'hub.db'}"
    settings = {"mcp": {"stateless": True}}
    door = Door("http", "legacy")
    with (
        create_test_hub(settings, state=state, plugins=[("scripted", scripted)]) as one,
        create_test_hub(settings, state=state) as two,
    ):
        arguments = {"model": "echo/echo", "session_id": "shared"}
        async with connect_to(one, door, one.admin_token) as client:
            await client.call_tool("chat", {**arguments, "message": "first"})
        async with connect_to(two, door, one.admin_token) as client:
            await client.call_tool("chat", {**arguments, "message": "second"})
            session = await client.call_tool("get_session", {"session_id": "shared"})
        async with connect_to(one, door, one.admin_token) as client:
            slow = {"model": "scripted/one", "message": "pause", "wait_seconds": 0.1}
            begun = (await client.call_tool("chat", slow)).structured_content
        async with connect_to(two, door, one.admin_token) as client:
            turn = {"turn_id": begun["turn_id"]}
            early = await client.call_tool("get_turn", {**turn, "wait_seconds": 0.1})
            scripted.go.set()
            fetched = (await client.call_tool("get_turn", turn)).structured_content
    assert begun["status"] == early.structured_content["status"] == "running"
    assert (fetched["status"], fetched["text"]) == ("done", "some words firstdone")
    texts = [message["text"] for message in session.structured_content["messages"]]
    assert texts == ["first", "first", "second", "second"]


async def test_a_server_that_stops_ends_every_open_stream(connect_to):
    with create_test_hub() as hub:
        async with httpx2.AsyncClient(headers=hub.headers(), timeout=20) as http:
            accept = {"accept": "text/event-stream"}
            async with http.stream("GET", f"{hub.base_url}/sse", headers=accept) as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == "event: endpoint"
                hub.call(hub.hub.stop_turns())
                async with asyncio.timeout(5):
                    async for _ in lines:  # a complete response: nothing is raised
                        pass
            refused = await http.get(f"{hub.base_url}/sse", headers=accept)
            assert refused.status_code == 503
            assert (await http.post(f"{hub.base_url}/mcp", json={})).status_code == 503


@pytest.mark.parametrize(
    "module", ["llm_mcp_hub.cli", "llm_mcp_hub.app", "llm_mcp_hub.commands.tokens", "llm_mcp_hub"]
)
def test_the_libraries_of_mcp_are_imported_only_to_serve(module):
    code = f"import sys, {module}; sys.exit('mcp' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
