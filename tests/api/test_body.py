"""Reading a body: bounded in size and time, by itself."""

import asyncio

import pytest

from llm_mcp_hub.api import body as body_module
from llm_mcp_hub.api.body import ClientGone, read_body
from llm_mcp_hub.errors import InvalidRequest, RequestTooLarge

pytestmark = pytest.mark.anyio


def messages(*parts: bytes | None):
    """A `receive` that gives these parts, None for a client that leaves, and then nothing."""
    left = list(parts)

    async def receive():
        if not left:
            await asyncio.Event().wait()
        part = left.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    return receive


def scope(*headers: tuple[bytes, bytes]):
    return {"type": "http", "headers": list(headers)}


async def test_parts_are_joined():
    assert await read_body(scope(), messages(b"a", b"", b"bc"), 3) == b"abc"
    assert await read_body(scope(), messages(b""), 3) == b""


@pytest.mark.parametrize("parts", [(b"abcd",), (b"ab", b"cd"), (b"ab", b"cd", b"never read")])
async def test_too_much_is_refused_as_soon_as_it_is_too_much(parts):
    with pytest.raises(RequestTooLarge):
        await read_body(scope(), messages(*parts), 3)


async def test_what_says_that_it_is_too_much_is_not_read_at_all():
    with pytest.raises(RequestTooLarge):
        await read_body(scope((b"content-length", b"4")), messages(), 3)


@pytest.mark.parametrize("parts", [(), (b"a", b"")])
async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch, parts):
    monkeypatch.setattr(body_module, "BODY_SECONDS", 0.02)
    receive = messages(*parts)

    async def endless():
        message = await receive()
        return message | {"more_body": True}

    with pytest.raises(InvalidRequest, match="did not arrive"):
        await read_body(scope(), endless, 3)


@pytest.mark.parametrize("parts", [(None,), (b"a", None)])
async def test_a_client_that_leaves_is_told_nothing(parts):
    with pytest.raises(ClientGone):
        await read_body(scope(), messages(*parts), 3)


async def test_the_chat_route_closes_a_websocket():
    from llm_mcp_hub.api.gate import Gate
    from llm_mcp_hub.api.openai.chat import chat_handler
    from llm_mcp_hub.config import HubConfig
    from llm_mcp_hub.hub import Hub

    sent = []

    async def send(message):
        sent.append(message["type"])

    hub = Hub(HubConfig(state="memory://"))
    handler = chat_handler(hub, Gate(hub.config.server, hub.access))
    await handler.fn({"type": "websocket", "headers": []}, messages(), send)

    assert sent == ["websocket.close"]
