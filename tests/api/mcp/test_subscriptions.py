"""Clients are told of sessions that change, whichever door the turn came through."""

import asyncio
import secrets

import pytest
from mcp.shared.exceptions import MCPError

pytestmark = [
    pytest.mark.anyio,
    # The SDK warns of what the handshake revisions have, and 2026-07-28 has no more.
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]


class Told:
    """The URIs a client of a handshake revision was told of."""

    def __init__(self):
        self.uris = []
        self.came = asyncio.Event()

    async def __call__(self, message):
        params = getattr(message, "params", None)
        if getattr(message, "method", "") == "notifications/resources/updated":
            self.uris.append(str(params.uri))
            self.came.set()

    async def until(self, uris):
        async with asyncio.timeout(10):
            while self.uris != uris:
                self.came.clear()
                await self.came.wait()


class Watching:
    """Watches URIs in the way of the client's era."""

    def __init__(self, connect, door, token, uris):
        self.told = Told()
        self._connect = connect
        self._door = door
        self._token = token
        self._uris = uris

    async def __aenter__(self):
        handler = None if self._door.modern else self.told
        streaming = asyncio.Event()
        self._opened = self._connect(self._token, message_handler=handler, streaming=streaming)
        self.client = await self._opened.__aenter__()
        if self._door.modern:
            self._listening = self.client.listen(resource_subscriptions=self._uris)
            subscription = await self._listening.__aenter__()
            self._reading = asyncio.create_task(self._read(subscription))
        else:
            for uri in self._uris:
                await self.client.session.subscribe_resource(uri)
            if self._door.transport == "http":
                async with asyncio.timeout(10):
                    await streaming.wait()
        return self

    async def __aexit__(self, *error):
        if self._door.modern:
            self._reading.cancel()
            await self._listening.__aexit__(None, None, None)
        await self._opened.__aexit__(None, None, None)

    async def _read(self, subscription):
        async for event in subscription:
            self.told.uris.append(event.uri)
            self.told.came.set()


@pytest.fixture(scope="module")
def listeners(hub):
    """How many there are without any client."""
    return len(hub.hub.events._listeners)


@pytest.fixture(autouse=True)
def alone(hub, listeners, until):
    """Every test ends with all its watchers gone."""
    yield
    until(lambda: len(hub.hub.events._listeners) == listeners, "the end of the watchers")


@pytest.fixture
def tokens(hub):
    return [hub.token(f"{name}-{secrets.token_hex(4)}") for name in ("alice", "bob")]


async def test_a_watcher_hears_of_its_own_session_through_any_door(
    connect, door, tokens, hub, chat_with
):
    import httpx

    alice, bob = tokens
    uri = "session://watched"
    async with Watching(connect, door, alice, [uri]) as watching:
        with httpx.Client(base_url=hub.base_url, headers=hub.headers(alice)) as http:
            await asyncio.to_thread(chat_with(http), "over rest", session="watched")
            await watching.told.until([uri])
            await asyncio.to_thread(chat_with(http), "not this one", session="other")
        with httpx.Client(base_url=hub.base_url, headers=hub.headers(bob)) as http:
            await asyncio.to_thread(chat_with(http), "bob's own", session="watched")
        await watching.client.call_tool("chat", {"message": "x", "session_id": "watched"})
        await watching.told.until([uri, uri])
        with httpx.Client(base_url=hub.base_url, headers=hub.headers(alice)) as http:
            await asyncio.to_thread(http.delete, "/v1/sessions/watched")
        await watching.told.until([uri, uri, uri])


async def test_nothing_is_left_of_a_watcher_that_has_gone(
    connect, door, tokens, hub, listeners, until
):
    events = hub.hub.events
    async with Watching(connect, door, tokens[0], ["session://a", "session://b"]):
        assert len(events._listeners) == listeners + 1
    await asyncio.to_thread(until, lambda: len(events._listeners) == listeners)


async def test_a_caller_without_the_scope_can_not_watch(connect, door, hub):
    token = hub.token(f"chat-{secrets.token_hex(4)}", "chat")
    with pytest.raises((MCPError, BaseExceptionGroup)) as raised:
        async with Watching(connect, door, token, ["session://watched"]):
            pass
    assert "sessions" in _flat(raised.value)


def _flat(error):
    if isinstance(error, BaseExceptionGroup):
        return " ".join(_flat(one) for one in error.exceptions)
    return str(error)
