"""The lines of the Agent Client Protocol as structs: JSON-RPC 2.0, one object per line; pure.

Only what the hub looks at has a field. Names and shapes are those of protocol version 1 (schema of
agentclientprotocol.com) and were seen with the Gemini CLI 0.61.0.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

PROTOCOL_VERSION = 1
METHOD_NOT_FOUND = -32601
AUTH_REQUIRED = -32000


class RpcError(Struct, frozen=True):
    """The error of a reply."""

    code: int = 0
    message: str = ""
    data: Any = None


class Content(Struct, frozen=True):
    """A content block. One that is not text has no `text`."""

    type: str = ""
    text: str = ""


class Update(Struct, frozen=True, rename="camel"):
    """`update` of `session/update`. The content of a tool call is a list of other things."""

    session_update: str = ""
    tool_call_id: str = ""
    content: Content | list[Any] | None = None
    status: str | None = None


class Option(Struct, frozen=True, rename="camel"):
    """An answer that a request for permission offers."""

    option_id: str = ""
    kind: str = ""


class Params(Struct, frozen=True, rename="camel"):
    """Parameters of what an agent sends."""

    session_id: str = ""
    update: Update = Update()
    options: tuple[Option, ...] = ()


class Line(Struct, frozen=True):
    """Whatever an agent writes: a request (`id` and `method`), a notification or a reply."""

    id: int | str | None = None
    method: str | None = None
    params: Params | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: RpcError | None = None


class AgentInfo(Struct, frozen=True):
    """Who the agent is."""

    name: str = ""
    version: str | None = None


class PromptCapabilities(Struct, frozen=True):
    """What a prompt may hold beside text."""

    image: bool = False


class McpCapabilities(Struct, frozen=True):
    """The transports over which the agent speaks to MCP servers, beside standard streams."""

    http: bool = False


class Capabilities(Struct, frozen=True, rename="camel"):
    """What the agent can do."""

    load_session: bool = False
    mcp_capabilities: McpCapabilities = McpCapabilities()
    prompt_capabilities: PromptCapabilities = PromptCapabilities()


class Initialized(Struct, frozen=True, rename="camel"):
    """Result of `initialize`."""

    protocol_version: int = 0
    agent_info: AgentInfo | None = None
    agent_capabilities: Capabilities = Capabilities()


class AvailableModel(Struct, frozen=True, rename="camel"):
    """A model of `models.availableModels`."""

    model_id: str
    name: str = ""


class Models(Struct, frozen=True, rename="camel"):
    """`models` of a new session."""

    available_models: tuple[AvailableModel, ...] = ()
    current_model_id: str = ""


class Choice(Struct, frozen=True):
    """A value of a configuration option."""

    value: str = ""
    name: str = ""


class ConfigOption(Struct, frozen=True, rename="camel"):
    """An option of `configOptions`."""

    id: str
    current_value: Any = None
    options: tuple[Choice, ...] = ()


class NewSession(Struct, frozen=True, rename="camel"):
    """Result of `session/new`."""

    session_id: str
    models: Models | None = None
    config_options: tuple[ConfigOption, ...] | None = None


class Prompted(Struct, frozen=True, rename="camel"):
    """Result of `session/prompt`."""

    stop_reason: str = ""


class _RawParams(Struct, frozen=True):
    update: msgspec.Raw = msgspec.Raw(b"null")


class _RawLine(Struct, frozen=True):
    params: _RawParams = _RawParams()


_line = msgspec.json.Decoder(Line)
_raw_line = msgspec.json.Decoder(_RawLine)


def decode_line(raw: bytes) -> Line:
    """A line.

    Raises:
        msgspec.DecodeError: It is no JSON, or has another shape.
    """
    return _line.decode(raw)


def update_of(raw: bytes) -> msgspec.Raw:
    """The update of a `session/update` line, undecoded."""
    return _raw_line.decode(raw).params.update


def request(number: int, method: str, params: Mapping[str, object]) -> bytes:
    """A request of the hub's."""
    fields = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return msgspec.json.encode(fields) + b"\n"


def notification(method: str, params: Mapping[str, object]) -> bytes:
    """A notification of the hub's."""
    return msgspec.json.encode({"jsonrpc": "2.0", "method": method, "params": params}) + b"\n"


def result(number: int | str, value: Mapping[str, object]) -> bytes:
    """The hub's reply to a request of the agent's."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "result": value}) + b"\n"


def refusal(number: int | str) -> bytes:
    """The hub's reply to a request that it does not serve."""
    error = {"code": METHOD_NOT_FOUND, "message": "Method not found"}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "error": error}) + b"\n"


def rejection(options: tuple[Option, ...]) -> dict[str, object]:
    """The answer to a request for permission: no, in the words that it offers, if it does."""
    for option in options:
        if option.kind in ("reject_once", "reject_always"):
            return {"outcome": {"outcome": "selected", "optionId": option.option_id}}
    return {"outcome": {"outcome": "cancelled"}}
