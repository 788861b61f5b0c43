"""What goes over an SSE connection, and over its other half, when a call or the connection ends."""

import asyncio
import contextlib
import json

import anyio
import httpx2
import pytest
from tests.api.conftest import PATIENCE_SECONDS, Scripted

from llm_mcp_hub.testing.hub import create_test_hub

pytestmark = pytest.mark.anyio

HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


class Full(Scripted):
    """Has no worker for anybody; whoever stops waiting for one is detained until `go`."""

    def __init__(self):
        super().__init__()
        self.waiting = 0
        self.detained = 0

    async def open_turn(self, request):
        if request.messages[-1].text != "queue":
            return await super().open_turn(request)
        self.waiting += 1
        try:
            return await asyncio.Event().wait()
        finally:
            self.waiting -= 1
            self.detained += 1
            with anyio.CancelScope(shield=True):
                await asyncio.to_thread(self.go.wait, PATIENCE_SECONDS)
            self.detained -= 1


class Connection:
    """An SSE connection, without any client between it and the test."""

    def __init__(self, http, stream):
        self._http = http
        self._lines = stream.aiter_lines()
        self._path = ""
        self._number = 0

    async def open(self):
        self._path = await self._data()
        await self.request("initialize", HELLO)
        assert "result" in await self.heard()
        await self.say("notifications/initialized", {})

    async def say(self, method, params, **number):
        message = {"jsonrpc": "2.0", "method": method, "params": params, **number}
        answer = await self._http.post(self._path, json=message)
        return answer.status_code

    async def request(self, method, params):
        self._number += 1
        assert await self.say(method, params, id=self._number) == 202
        return self._number

    async def call(self, message, token):
        return await self.request(
            "tools/call",
            {
                "name": "chat",
                "arguments": {"model": "scripted/one", "message": message},
                "_meta": {"progressToken": token},
            },
        )

    async def heard(self):
        return json.loads(await self._data())

    async def heard_until(self, condition):
        """All messages up to the first that is wanted."""
        messages = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (messages and condition(messages[-1])):
                messages.append(await self.heard())
        return messages

    async def _data(self):
        async for line in self._lines:
            if line.startswith("data:"):
                return line.removeprefix("data:").strip()
        raise EOFError


@pytest.fixture(scope="module")
def full():
    return Full()


@pytest.fixture(scope="module")
def crowded(full):
    settings = {"mcp": {"keep_alive_seconds": 0.02}}
    with create_test_hub(settings, plugins=[("scripted", full)]) as hub:
        yield hub


@pytest.fixture
async def http(crowded):
    async with httpx2.AsyncClient(
        base_url=crowded.base_url, headers=crowded.headers(), timeout=20
    ) as client:
        yield client


@contextlib.asynccontextmanager
async def opened(http):
    async with http.stream("GET", "/sse") as stream:
        connection = Connection(http, stream)
        await connection.open()
        yield connection


def tells(token):
    return lambda message: message.get("params", {}).get("progressToken") == token


@pytest.mark.parametrize("message", ["queue", "hold"])
async def test_nothing_more_is_said_of_a_call_that_was_cancelled(http, full, message):
    full.go.clear()
    async with opened(http) as connection:
        call = await connection.call(message, "first")
        await connection.heard_until(tells("first"))
        await connection.say("notifications/cancelled", {"requestId": call})
        ping = await connection.request("ping", {})
        # Whatever was under way is here by then.
        await connection.heard_until(lambda message: message.get("id") == ping)
        await connection.call("hold", "second")
        later = []
        for _ in range(5):  # as many signs of life as the first call would have given meanwhile
            later += await connection.heard_until(tells("second"))
        full.go.set()
        later += await connection.heard_until(lambda message: "result" in message)
    assert all(tells("second")(message) for message in later[:-1])
    assert later[-1]["result"]["structuredContent"]["text"] == "done"


async def test_a_message_for_a_connection_that_is_just_ending_is_no_failure(
    http, full, until, caplog
):
    full.go.clear()
    async with opened(http) as connection:
        await connection.call("queue", "token")
        await asyncio.to_thread(until, lambda: full.waiting)
    await asyncio.to_thread(until, lambda: full.detained)
    late = [await connection.say("notifications/initialized", {}) for _ in range(2)]
    full.go.set()
    await asyncio.to_thread(until, lambda: not full.detained)
    assert late == [202, 202]  # by a server that did not break off the first
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
