"""An MCP server with the tools of one conversation, without I/O: messages in, answers out.

Guarantees: it tells of a call in the client's own words, whatever the agent made of name and
arguments; a call is answered once, with its own result, and not before the client has given it;
after `close` nothing is told and no call is held.

It speaks what an MCP client of 2025 needs of a server that has tools and keeps no session
(Streamable HTTP, specification 2025-06-18).
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from llm_mcp_hub.domain.chat import ToolResultPart
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub_acp.client_tools.names import SERVER, alias
from llm_mcp_hub_acp.client_tools.schema import input_schema

VERSIONS = ("2025-06-18", "2025-11-25", "2025-03-26", "2024-11-05")
"""Versions of MCP in which these few messages are the same; the first is offered to others."""

ADDED = "wait_for_previous"
"""An argument that the Gemini CLI adds to every tool, and hands on (0.61.0)."""

LIST_SECONDS = 15.0
"""How long after a session began the agent may take to ask for the tools."""

HOLD_SECONDS = 540.0
"""How long a call is held. The Gemini CLI gives one up after 600 s, and would then go on by itself,
at the client's cost and with nobody there to read it."""

METHOD_NOT_FOUND, INVALID_PARAMS, INVALID_REQUEST = -32601, -32602, -32600


class Listed(Struct, frozen=True):
    """The agent has asked for the tools."""


class NotListed(Struct, frozen=True):
    """It has not, though it had the time: it goes without them, and would not say so."""


class Called(Struct, frozen=True):
    """The model calls a tool.

    Attributes:
        id: Of the call; made here.
        name: As the client named the tool.
        arguments: A JSON object.
    """

    id: str
    name: str
    arguments: str


class GivenUp(Struct, frozen=True):
    """The agent no longer waits for a result, or won't for much longer."""

    id: str


Told = Listed | NotListed | Called | GivenUp


class Toolbox:
    """See the module.

    Args:
        tools: Of the conversation.

    Attributes:
        id: Its place in the address; no secret.
        secret: Who knows it may list and call these tools.
        tell: Told of what the agent does.
        listed: Whether the agent has asked for the tools.
    """

    def __init__(self, tools: Sequence[Tool], tell: Callable[[Told], None]) -> None:
        self.id = uuid4().hex
        self.secret = secrets.token_urlsafe(32)
        self.listed = False
        self._tools = {alias(tool.name): tool for tool in tools}
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._held: dict[str, Held] = {}
        self._patience: asyncio.TimerHandle | None = None
        self._closed = False

    def expect_listing(self) -> None:
        """A session has begun: the agent should have asked for the tools, or do so soon."""
        if not self.listed and self._patience is None:
            self._patience = self._loop.call_later(LIST_SECONDS, self._tell, NotListed())

    def answer(self, result: ToolResultPart) -> None:
        """Give the result of a call that is held."""
        held = self._held.pop(result.call_id, None)
        if held is not None:
            held.settle(_result(held.number, _content(result)))

    def close(self) -> None:
        """Tell nothing any more, and hold no call."""
        self._closed = True
        self._stop_waiting()
        for held in self._held.values():
            held.settle(None)
        self._held.clear()

    def receive(self, body: bytes) -> "bytes | Held | None":
        """Take a message: its answer, a call whose answer comes later, or nothing to be said."""
        try:
            message = msgspec.json.decode(body, type=_Message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _error(None, INVALID_REQUEST, "One JSON-RPC message is expected.")
        if message.id is None or message.method is None:
            return None
        if message.method == "initialize":
            return _result(message.id, _introduction(message.params.protocol_version))
        if message.method == "ping":
            return _result(message.id, {})
        if message.method == "tools/list":
            return self._list(message.id)
        if message.method == "tools/call":
            return self._call(message.id, message.params)
        return _error(message.id, METHOD_NOT_FOUND, "Method not found")

    def give_up(self, call_id: str) -> None:
        """Whoever made the call does not wait for its result any more."""
        held = self._held.pop(call_id, None)
        if held is not None and not self._closed:
            held.settle(None)
            self._tell(GivenUp(call_id))

    def _list(self, number: int | str) -> bytes:
        self._stop_waiting()
        tools = [
            {
                "name": name,
                "description": tool.description,
                "inputSchema": input_schema(tool.parameters),
            }
            for name, tool in self._tools.items()
        ]
        if not self._closed:
            self.listed = True
            # Not before the answer is on its way.
            self._loop.call_soon(self._tell_if_open, Listed())
        return _result(number, {"tools": tools})

    def _call(self, number: int | str, params: "_Params") -> "bytes | Held":
        tool = self._tools.get(params.name)
        if tool is None or self._closed:
            return _error(number, INVALID_PARAMS, f"Unknown tool: {params.name}")
        arguments = dict(params.arguments or {})
        if ADDED not in input_schema(tool.parameters)["properties"]:
            arguments.pop(ADDED, None)
        text = msgspec.json.encode(arguments).decode()
        held = Held(f"call_{uuid4().hex[:24]}", number, self._loop)
        held.expire_after(HOLD_SECONDS, self.give_up)
        self._held[held.call_id] = held
        self._tell(Called(held.call_id, tool.name, text))
        return held

    def _tell_if_open(self, told: Told) -> None:
        if not self._closed:
            self._tell(told)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class Held:
    """A call whose result is not there yet.

    Attributes:
        reply: The answer; None if there will be none.
    """

    def __init__(self, call_id: str, number: int | str, loop: asyncio.AbstractEventLoop) -> None:
        self.call_id = call_id
        self.number = number
        self.reply: asyncio.Future[bytes | None] = loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    def expire_after(self, seconds: float, give_up: Callable[[str], None]) -> None:
        """Have `give_up` called then, if it is still held."""
        self._timer = self.reply.get_loop().call_later(seconds, give_up, self.call_id)

    def settle(self, answer: bytes | None) -> None:
        """Answer it, or say that there is no answer."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.reply.done():
            self.reply.set_result(answer)


class _Params(Struct, frozen=True, rename="camel"):
    protocol_version: str = ""
    name: str = ""
    arguments: dict[str, Any] | None = None


class _Message(Struct, frozen=True):
    id: int | str | None = None
    method: str | None = None
    params: _Params = _Params()


def _introduction(asked: str) -> dict[str, object]:
    return {
        "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": SERVER, "version": "1"},
    }


def _content(result: ToolResultPart) -> dict[str, object]:
    content: list[dict[str, str]] = [
        {"type": "image", "mimeType": image.media_type, "data": image.data}
        for image in result.images
    ]
    if result.text or not content:
        content.insert(0, {"type": "text", "text": result.text})
    return {"content": content, "isError": result.is_error}


def _result(number: int | str, result: object) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "result": result})


def _error(number: int | str | None, code: int, message: str) -> bytes:
    error = {"code": code, "message": message}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "error": error})
