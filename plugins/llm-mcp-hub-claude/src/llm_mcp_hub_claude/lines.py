"""The lines that Claude Code writes and reads in `stream-json` mode, as far as the hub needs them.

Guarantee: unknown fields and unknown kinds of line are ignored, so a newer tool that says more
does not break the hub; a line that is not JSON, or whose known fields have other types, is an
error. Shapes as recorded from Claude Code 2.1.329.

Nearly all lines are `stream_event`s: those are decoded once, all others a second time into their
own struct.
"""

import msgspec
from msgspec import Struct, field


class ThinkingDetails(Struct):
    """Part of `TokenUsage`."""

    thinking_tokens: int | None = None


class TokenUsage(Struct):
    """The Messages API's `usage`. Its `input_tokens` leaves the cached ones out."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: ThinkingDetails | None = None


class Delta(Struct):
    """`delta` of `content_block_delta` and of `message_delta`."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class ContentBlock(Struct):
    """`content_block` of `content_block_start`; a call of a tool has id and name."""

    type: str
    id: str = ""
    name: str = ""


class StartedMessage(Struct):
    """`message` of `message_start`."""

    usage: TokenUsage | None = None


class StreamEvent(Struct):
    """One event of the Messages API's stream."""

    type: str
    index: int = 0
    delta: Delta | None = None
    message: StartedMessage | None = None
    content_block: ContentBlock | None = None
    usage: TokenUsage | None = None


class Line(Struct):
    """Any line; `event` belongs to `stream_event`."""

    type: str
    event: StreamEvent | None = None


class Kind(Struct):
    """Any line, whatever else is in it."""

    type: str


class CallMeta(Struct):
    """`_meta` of a `tools/call`: which `tool_use` of the model's it is."""

    tool_use_id: str = field(name="claudecode/toolUseId", default="")


class RpcParams(Struct):
    """`params` of what Claude Code asks a server of tools, as far as the hub needs them."""

    meta: CallMeta = field(name="_meta", default_factory=CallMeta)
    request_id: int | str | None = field(name="requestId", default=None)


class RpcMessage(Struct):
    """A JSON-RPC request; a notification has no id."""

    method: str
    id: int | str | None = None
    params: RpcParams = field(default_factory=RpcParams)


class ForeignRequest(Struct):
    """`request` of a `control_request`: `mcp_message` has a message to the server of tools."""

    subtype: str = ""
    message: msgspec.Raw = msgspec.Raw()


class ForeignLine(Struct):
    """A `control_request` of the tool's own."""

    request_id: str
    request: ForeignRequest = field(default_factory=ForeignRequest)


class ModelEntry(Struct):
    """A model in the reply to `initialize`."""

    value: str
    display_name: str = field(name="displayName", default="")
    resolved: str = field(name="resolvedModel", default="")


class Account(Struct, rename="camel"):
    """The login, in the reply to `initialize`; `token_source` is left out for a stored login."""

    token_source: str | None = None
    api_key_source: str | None = None
    api_provider: str | None = None
    subscription_type: str | None = None


class ControlPayload(Struct):
    """The replies to `get_binary_version`, `initialize` and `set_model`."""

    version: str | None = None
    model: str | None = None
    models: list[ModelEntry] = []
    account: Account | None = None


class ControlReply(Struct):
    """`response` of a `control_response`."""

    subtype: str
    request_id: str
    response: ControlPayload | None = None
    error: str | None = None
    error_code: str | None = None


class ControlLine(Struct):
    """`control_response`."""

    response: ControlReply


class SystemLine(Struct):
    """`system`: `init` has key source and tools, `api_retry` the delay in milliseconds."""

    subtype: str = ""
    tools: list[str] | None = None
    api_key_source: str | None = field(name="apiKeySource", default=None)
    retry_delay_ms: float | None = None


class AssistantLine(Struct):
    """`assistant`: of interest only for what went wrong."""

    error: str | None = None
    api_error: str | None = None


class ResultLine(Struct):
    """`result`: the end of a turn. `subtype` says `success` for most failures too."""

    subtype: str = ""
    is_error: bool = False
    api_error_status: int | None = None
    api_error_type: str | None = None
    stop_reason: str | None = None
    result: str = ""
    usage: TokenUsage | None = None


class LimitWindow(Struct, rename="camel"):
    """One of the subscription's windows. `resets_at` is in Unix seconds."""

    utilization: float | None = None
    resets_at: float | None = None
    status: str | None = None


class LimitInfo(Struct, rename="camel"):
    """The subscription's limits. `rate_limit_type` names the window that counts."""

    status: str = ""
    resets_at: float | None = None
    rate_limit_type: str | None = None
    unified_windows: dict[str, LimitWindow] = {}


class LimitLine(Struct):
    """`rate_limit_event`."""

    rate_limit_info: LimitInfo


_decode_line = msgspec.json.Decoder(Line).decode
_decode_kind = msgspec.json.Decoder(Kind).decode
decode_foreign_request = msgspec.json.Decoder(ForeignLine).decode
decode_rpc = msgspec.json.Decoder(RpcMessage).decode
decode_control = msgspec.json.Decoder(ControlLine).decode
decode_system = msgspec.json.Decoder(SystemLine).decode
decode_assistant = msgspec.json.Decoder(AssistantLine).decode
decode_result = msgspec.json.Decoder(ResultLine).decode
decode_limits = msgspec.json.Decoder(LimitLine).decode

_encoder = msgspec.json.Encoder()


def decode_line(raw: bytes) -> Line:
    """A line of any kind.

    Raises:
        msgspec.DecodeError: It is no JSON, or has another shape.
    """
    try:
        return _decode_line(raw)
    except msgspec.ValidationError:
        # Lines of other kinds may have an `event` of another shape.
        kind = _decode_kind(raw).type
        if kind == "stream_event":
            raise
        return Line(kind)


def control_request(request_id: str, subtype: str, **fields: object) -> bytes:
    """A line that asks the tool for something beside the conversation."""
    request = {"subtype": subtype, **fields}
    return _encode({"type": "control_request", "request_id": request_id, "request": request})


def refusal_line(request_id: str) -> bytes:
    """The answer to a request of the tool's that the hub does not serve."""
    response = {"subtype": "error", "request_id": request_id, "error": "not supported"}
    return _encode({"type": "control_response", "response": response})


def mcp_reply(request_id: str, message: dict[str, object]) -> bytes:
    """The answer to an `mcp_message`: a JSON-RPC response."""
    response = {"subtype": "success", "request_id": request_id}
    return _encode(
        {
            "type": "control_response",
            "response": {**response, "response": {"mcp_response": message}},
        }
    )


def user_line(content: object, *, query: bool) -> bytes:
    """A line of the user's.

    Args:
        content: Text, or content blocks of the Messages API.
        query: Whether it is to be answered; a line of history is not.
    """
    line: dict[str, object] = {
        "type": "user",
        "message": {"role": "user", "content": content},
        "parent_tool_use_id": None,
        "session_id": "",
        # Without it `@/some/path` in the text puts that file into the request.
        "client_composed": True,
    }
    if not query:
        line["shouldQuery"] = False
    return _encode(line)


def assistant_line(blocks: list[dict[str, object]]) -> bytes:
    """A line of history of the model's."""
    message = {"role": "assistant", "content": blocks}
    return _encode(
        {"type": "assistant", "message": message, "parent_tool_use_id": None, "session_id": ""}
    )


def _encode(line: dict[str, object]) -> bytes:
    return _encoder.encode(line) + b"\n"
