"""Answers of `POST /v1/messages` as Anthropic's clients read them (API reference of 2026)."""

from typing import Any, Literal

from msgspec import Struct


class TextOutput(Struct, frozen=True, tag="text", tag_field="type"):
    """Text of the answer."""

    text: str


class ThinkingOutput(Struct, frozen=True, tag="thinking", tag_field="type"):
    """Reasoning. The signature is always empty: the hub has none, and needs none back."""

    thinking: str
    signature: str = ""


class ToolUseOutput(Struct, frozen=True, tag="tool_use", tag_field="type"):
    """A call of the client's tool."""

    id: str
    name: str
    input: dict[str, Any]


OutputBlock = ThinkingOutput | TextOutput | ToolUseOutput


class ThinkingTokensDetails(Struct, frozen=True):
    """Of the output's tokens, those spent on reasoning."""

    thinking_tokens: int


class MessageUsage(Struct, frozen=True):
    """Token counts of a turn. All input is the sum of the three kinds of input tokens.

    Attributes:
        input_tokens: Those that were not read from the vendor's cache.
        cache_creation_input_tokens: Always 0: what is written to a cache counts as input.
    """

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens_details: ThinkingTokensDetails


class MessageObject(Struct, frozen=True):
    """An answer. `stop_reason` is null only in the event that begins a streamed one."""

    id: str
    model: str
    content: list[OutputBlock]
    stop_reason: Literal["end_turn", "max_tokens", "tool_use", "refusal"] | None
    usage: MessageUsage
    stop_sequence: None = None
    stop_details: None = None
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"


class MessageStart(Struct, frozen=True, tag="message_start", tag_field="type"):
    """The first event: the answer without content, and without counts yet."""

    message: MessageObject


class ContentBlockStart(Struct, frozen=True, tag="content_block_start", tag_field="type"):
    """A block begins, empty."""

    index: int
    content_block: OutputBlock


class TextDelta(Struct, frozen=True, tag="text_delta", tag_field="type"):
    """More text."""

    text: str


class ThinkingDelta(Struct, frozen=True, tag="thinking_delta", tag_field="type"):
    """More reasoning."""

    thinking: str


class InputJsonDelta(Struct, frozen=True, tag="input_json_delta", tag_field="type"):
    """More of a call's input: all pieces joined are one JSON object; none at all are `{}`."""

    partial_json: str


BlockDelta = TextDelta | ThinkingDelta | InputJsonDelta


class ContentBlockDelta(Struct, frozen=True, tag="content_block_delta", tag_field="type"):
    """More of a block."""

    index: int
    delta: BlockDelta


class ContentBlockStop(Struct, frozen=True, tag="content_block_stop", tag_field="type"):
    """A block is complete."""

    index: int


class StopDelta(Struct, frozen=True):
    """Why the answer ends."""

    stop_reason: Literal["end_turn", "max_tokens", "tool_use", "refusal"]
    stop_sequence: None = None
    stop_details: None = None


class MessageDelta(Struct, frozen=True, tag="message_delta", tag_field="type"):
    """The answer is complete; the counts are those of the whole turn."""

    delta: StopDelta
    usage: MessageUsage


class MessageStop(Struct, frozen=True, tag="message_stop", tag_field="type"):
    """The last event."""


class Ping(Struct, frozen=True, tag="ping", tag_field="type"):
    """A sign of life."""


class MessageErrorDetails(Struct, frozen=True):
    """What a program needs to know of an error: the hub's code, and the field at fault."""

    error_code: str
    param: str | None


class MessageErrorObject(Struct, frozen=True):
    """What went wrong."""

    type: str
    message: str
    details: MessageErrorDetails


class MessageError(Struct, frozen=True, tag="error", tag_field="type"):
    """The body of an error, and the event that ends an answer which breaks off.

    Attributes:
        request_id: The turn's id, if there was one.
    """

    error: MessageErrorObject
    request_id: str | None


MessageEvent = (
    MessageStart
    | ContentBlockStart
    | ContentBlockDelta
    | ContentBlockStop
    | MessageDelta
    | MessageStop
    | Ping
    | MessageError
)
