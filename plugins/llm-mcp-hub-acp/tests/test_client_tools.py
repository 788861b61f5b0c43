"""The loopback server for the client's tools: who reaches what, and what it costs."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.domain.chat import ImagePart, ToolResultPart
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub_acp.client_tools import http
from llm_mcp_hub_acp.client_tools.names import LENGTH, alias
from llm_mcp_hub_acp.client_tools.schema import input_schema
from llm_mcp_hub_acp.client_tools.server import ToolServer
from llm_mcp_hub_acp.client_tools.toolbox import (
    Called,
    GivenUp,
    Listed,
    NotListed,
    Told,
    Toolbox,
)

pytestmark = pytest.mark.anyio

LOOK = Tool("look", "Look somewhere", {"type": "object", "properties": {"at": {}}})
WRITERS: list[asyncio.StreamWriter] = []
"""Of calls that a test has left open."""
Until = Callable[[Callable[[], bool]], Any]


@pytest.fixture
async def server(anyio_backend: object) -> AsyncIterator[ToolServer]:
    made = ToolServer()
    await made.start()
    yield made
    await made.aclose()
    while WRITERS:
        WRITERS.pop().close()


class Box:
    """A toolbox, what it told, and an agent that uses it."""

    def __init__(self, server: ToolServer, *tools: Tool) -> None:
        self.server = server
        self.told: list[Told] = []
        self.toolbox = server.open(tools or (LOOK,), self.told.append)

    @property
    def calls(self) -> list[Called]:
        return [told for told in self.told if isinstance(told, Called)]

    def message(
        self, body: bytes, secret: str | None = None, host: str | None = None, more: str = ""
    ) -> bytes:
        """A whole request."""
        port = self.server.port
        head = (
            f"POST /mcp/{self.toolbox.id} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{port}'}\r\n"
            f"Authorization: Bearer {secret or self.toolbox.secret}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        )
        return head.encode() + body

    async def send(self, data: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        return await exchange(self.server, data)

    async def ask(self, method: str, **params: Any) -> Any:
        """A request of an MCP client's; its result or error."""
        status, body = await self.send(self.message(rpc(method, **params)))
        assert status == 200
        answer = json.loads(body)
        return answer.get("result", answer.get("error"))

    async def call(self, name: str = "look", **arguments: Any) -> "Open":
        """A call, which is held."""
        before = len(self.calls)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        WRITERS.append(writer)
        writer.write(self.message(rpc("tools/call", name=name, arguments=arguments)))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"text/event-stream" in head
        return Open(reader, writer, self.calls[before].id)


class Open:
    """A call that waits for its result."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call_id: str
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.id = call_id

    async def result(self) -> Any:
        async with asyncio.timeout(5):
            data = await self.reader.read()
        self.writer.close()
        [event] = [part for part in data.split(b"\n\n") if part and not part.startswith(b":")]
        return json.loads(event.removeprefix(b"event: message\ndata: "))["result"]


def rpc(method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


async def exchange(server: ToolServer, data: bytes) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


async def test_an_agent_finds_the_tools_as_the_client_described_them(server: ToolServer) -> None:
    box = Box(server)
    found = await box.ask("initialize", protocolVersion="2025-03-26", capabilities={})
    assert found["protocolVersion"] == "2025-03-26"
    assert found["capabilities"] == {"tools": {}}
    newer = await box.ask("initialize", protocolVersion="2031-01-01")
    assert newer["protocolVersion"] == "2025-06-18"
    note = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode()
    assert await box.send(box.message(note)) == (202, b"")
    assert await box.ask("ping") == {}
    assert not box.toolbox.listed
    assert await box.ask("tools/list") == {
        "tools": [{"name": "look", "description": "Look somewhere", "inputSchema": LOOK.parameters}]
    }
    assert box.toolbox.listed
    assert box.told == [Listed()]
    assert (await box.ask("resources/list"))["code"] == -32601


async def test_a_call_is_held_until_its_own_result_is_there(server: ToolServer) -> None:
    box = Box(server)
    first, second = await box.call(at="a"), await box.call(at="b")
    assert [json.loads(call.arguments) for call in box.calls] == [{"at": "a"}, {"at": "b"}]
    image = ImagePart("image/png", "AAAA")
    box.toolbox.answer(ToolResultPart(second.id, "two", is_error=True))
    box.toolbox.answer(ToolResultPart(first.id, "one", images=(image,)))
    assert await second.result() == {
        "content": [{"type": "text", "text": "two"}],
        "isError": True,
    }
    assert await first.result() == {
        "content": [
            {"type": "text", "text": "one"},
            {"type": "image", "mimeType": "image/png", "data": "AAAA"},
        ],
        "isError": False,
    }
    box.toolbox.answer(ToolResultPart(first.id, "again"))  # changes nothing
    assert len(box.told) == 2


async def test_a_held_call_shows_signs_of_life(
    server: ToolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_mcp_hub_acp.client_tools.server.KEEPALIVE_SECONDS", 0.02)
    box = Box(server)
    call = await box.call()
    async with asyncio.timeout(5):
        for _ in range(3):
            assert await call.reader.readuntil(b"\n\n") == b": keepalive\n\n"
    box.toolbox.answer(ToolResultPart(call.id, "done"))
    assert (await call.result())["content"] == [{"type": "text", "text": "done"}]


async def test_two_conversations_with_the_same_tools_stay_apart(server: ToolServer) -> None:
    mine, theirs = Box(server), Box(server)
    call, other = await mine.call(at="mine"), await theirs.call(at="theirs")
    assert [json.loads(told.arguments) for told in mine.calls] == [{"at": "mine"}]
    assert [json.loads(told.arguments) for told in theirs.calls] == [{"at": "theirs"}]
    # Neither the secret of the other nor the id of its call is of any use.
    status, _ = await mine.send(mine.message(rpc("tools/list"), secret=theirs.toolbox.secret))
    assert status == 401
    mine.toolbox.answer(ToolResultPart(other.id, "wrong"))
    mine.toolbox.answer(ToolResultPart(call.id, "right"))
    assert (await call.result())["content"][0]["text"] == "right"
    theirs.toolbox.answer(ToolResultPart(other.id, "theirs"))
    assert (await other.result())["content"][0]["text"] == "theirs"


async def test_nobody_else_gets_in(server: ToolServer) -> None:
    box = Box(server)
    body = rpc("tools/list")
    good = box.message(body)
    port = server.port
    refused = [
        (401, box.message(body, secret="x" * 43)),
        (401, good.replace(b"Bearer", b"Basic")),
        (401, good.replace(b"Authorization", b"X-Other")),
        (401, good.replace(box.toolbox.id.encode(), b"0" * 32)),
        (403, box.message(body, host=f"localhost:{port}")),
        (403, box.message(body, host=f"evil.example:{port}")),
        (403, box.message(body, more="Origin: http://127.0.0.1\r\n")),
        (404, good.replace(b"/mcp/", b"/other/")),
        (405, good.replace(b"POST", b"GET", 1).replace(body, b"").replace(b"Content-L", b"X-L")),
        (405, good.replace(b"POST", b"DELETE", 1)),
    ]
    for status, data in refused:
        assert (await box.send(data))[0] == status, data
    assert box.told == []
    assert (await box.send(good))[0] == 200


async def test_only_loopback_is_listened_on_and_only_once(server: ToolServer) -> None:
    port = server.port
    await server.start()
    assert server.port == port
    assert server._server is not None
    assert [one.getsockname()[0] for one in server._server.sockets] == ["127.0.0.1"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"[]", b"7", b'{"method": 3}', b'{"id": {}}', b'"x"', b"null"],
)
async def test_garbage_is_answered_as_such(server: ToolServer, body: bytes) -> None:
    box = Box(server)
    status, answer = await box.send(box.message(body))
    assert status == 200
    assert json.loads(answer)["error"]["code"] == -32600
    assert box.told == []


@pytest.mark.parametrize("params", [{"name": "other"}, {}, {"name": ""}])
async def test_a_call_of_a_tool_that_is_not_there_is_an_error(
    server: ToolServer, params: dict[str, Any]
) -> None:
    box = Box(server)
    assert (await box.ask("tools/call", **params))["code"] == -32602
    assert box.told == []


@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"\r\n\r\nnonsense\r\n"],
)
async def test_what_is_no_http_is_refused(server: ToolServer, data: bytes) -> None:
    assert (await exchange(server, data))[0] == 400


async def test_a_second_request_on_a_connection_is_refused(server: ToolServer) -> None:
    box = Box(server)
    one = box.message(rpc("tools/list"))
    assert (await box.send(one + one))[0] == 400
    assert box.told == []


async def test_what_is_too_large_is_refused(
    server: ToolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(server)
    monkeypatch.setattr(http, "MOST_BODY_BYTES", 100_000)
    assert (await box.send(box.message(rpc("tools/list", x="y" * 200_000))))[0] == 413
    head = b"POST / HTTP/1.1\r\n" + b"X-Long: " + b"a" * 40_000
    assert (await box.send(head))[0] == 431


async def test_a_client_that_is_slow_is_not_waited_for(
    server: ToolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_SECONDS", 0.1)
    box = Box(server)
    data = box.message(rpc("tools/list"))
    for part in (data[:10], data[:-5]):
        assert (await box.send(part))[0] == 408
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_there_are_only_so_many_connections(
    server: ToolServer, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr("llm_mcp_hub_acp.client_tools.server.MOST_CONNECTIONS", 2)
    box = Box(server)
    first, second = await box.call(), await box.call()
    with pytest.raises((ConnectionError, IndexError)):
        await box.send(box.message(rpc("ping")))
    box.toolbox.answer(ToolResultPart(first.id, ""))
    await first.result()
    await until(lambda: len(server._connections) < 2)
    assert await box.ask("ping") == {}
    box.toolbox.answer(ToolResultPart(second.id, ""))


async def test_a_call_whose_connection_ends_is_given_up(server: ToolServer, until: Until) -> None:
    box = Box(server)
    call = await box.call()
    call.writer.transport.abort()
    await until(lambda: GivenUp(call.id) in box.told)
    assert box.told.count(GivenUp(call.id)) == 1
    assert not box.toolbox._held


async def test_so_is_one_whose_connection_says_more(server: ToolServer, until: Until) -> None:
    box = Box(server)
    call = await box.call()
    call.writer.write(b"POST")
    await until(lambda: GivenUp(call.id) in box.told)
    call.writer.close()


async def test_and_one_that_is_held_for_too_long(
    server: ToolServer, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr("llm_mcp_hub_acp.client_tools.toolbox.HOLD_SECONDS", 0.05)
    box = Box(server)
    call = await box.call()
    await until(lambda: GivenUp(call.id) in box.told)
    async with asyncio.timeout(5):
        assert await call.reader.read() == b""
    call.writer.close()


async def test_an_agent_that_never_asks_for_the_tools_is_noticed(
    server: ToolServer, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr("llm_mcp_hub_acp.client_tools.toolbox.LIST_SECONDS", 0.05)
    silent, good = Box(server), Box(server)
    await good.ask("tools/list")
    for box in (silent, good):
        box.toolbox.expect_listing()
    await until(lambda: bool(silent.told))
    assert silent.told == [NotListed()]
    assert good.told == [Listed()]


async def test_a_closed_toolbox_tells_nothing_and_holds_nothing(server: ToolServer) -> None:
    box = Box(server)
    call = await box.call()
    told = list(box.told)
    server.close(box.toolbox)
    async with asyncio.timeout(5):
        assert await call.reader.read() == b""
    call.writer.close()
    assert (await box.send(box.message(rpc("tools/list"))))[0] == 401
    assert box.told == told


async def test_the_end_of_the_server_is_bounded_and_whole(until: Until) -> None:
    server = ToolServer()
    await server.aclose()  # one that was never started
    server = ToolServer()
    await server.start()
    box = Box(server)
    call = await box.call()
    idle = await asyncio.open_connection("127.0.0.1", server.port)
    await until(lambda: len(server._connections) == 2)
    async with asyncio.timeout(10):
        await server.aclose()
    assert server._connections == set()
    assert await call.reader.read() == b""
    assert await idle[0].read() == b""
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", server.port)
    for writer in (call.writer, idle[1]):
        writer.close()
    await server.start()  # it stays closed
    assert server._server is None


async def test_an_argument_of_the_agents_own_is_not_the_clients(server: ToolServer) -> None:
    own = Tool("own", "", {"properties": {"wait_for_previous": {"type": "boolean"}}})
    box = Box(server, LOOK, own)
    for name in ("look", "own"):
        await box.call(name, wait_for_previous=True, at=1)
    assert [json.loads(call.arguments) for call in box.calls] == [
        {"at": 1},
        {"wait_for_previous": True, "at": 1},
    ]


@given(st.text(max_size=200))
def test_an_alias_is_a_name_that_everybody_takes(name: str) -> None:
    assert 0 < len(alias(name)) <= LENGTH or name == ""
    assert alias(name).replace("_", "").replace("-", "").isascii()
    assert alias(name) == alias(name)


@given(st.sets(st.text(alphabet="ab./ ü", max_size=80), min_size=2))
def test_two_names_never_get_the_same_alias(names: set[str]) -> None:
    assert len({alias(name) for name in names}) == len(names)


async def test_a_tool_is_called_by_the_name_that_the_client_gave(server: ToolServer) -> None:
    names = ["plain", "with.dots/and space", "x" * 64, "x" * 63 + "y", "ü"]
    box = Box(server, *(Tool(name) for name in names))
    listed = [tool["name"] for tool in (await box.ask("tools/list"))["tools"]]
    assert len(set(listed)) == len(names)
    for name in listed:
        await box.call(name)
    assert [call.name for call in box.calls] == names


@pytest.mark.parametrize(
    ("given_schema", "shown"),
    [
        ({}, {"type": "object", "properties": {}}),
        ({"type": ["object", "null"]}, {"type": "object", "properties": {}}),
        (
            {"properties": {"a": True, "b": False, "c": {"type": "string"}}, "required": ["a", 1]},
            {
                "type": "object",
                "properties": {"a": {}, "b": {"not": {}}, "c": {"type": "string"}},
                "required": ["a"],
            },
        ),
        (
            {"type": "object", "properties": None, "required": None, "$defs": {"x": {}}},
            {"type": "object", "properties": {}, "$defs": {"x": {}}},
        ),
    ],
)
def test_an_odd_schema_does_not_cost_all_tools(
    given_schema: dict[str, Any], shown: dict[str, Any]
) -> None:
    assert input_schema(given_schema) == shown


@given(st.binary(max_size=300))
async def test_no_message_breaks_a_toolbox(body: bytes) -> None:
    toolbox = Toolbox([LOOK], lambda _: None)
    toolbox.receive(body)
    toolbox.close()
