"""A turn as Anthropic's JSON: whole, or as the events of a stream. Pure.

Guarantee: the blocks of a stream, joined by kind, are those of the whole answer. The whole has
reasoning first, then the text, then the calls; a stream has its blocks as the model made them.

Events are the hot path: what all deltas of a block have in common is encoded once, and the events
of a batch are joined into one write.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from llm_mcp_hub.api.answer import AnyTurn, KnownTurn
from llm_mcp_hub.api.anthropic.errors import message_error
from llm_mcp_hub.api.anthropic.objects import (
    BlockDelta,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    InputJsonDelta,
    MessageDelta,
    MessageEvent,
    MessageObject,
    MessageStart,
    MessageStop,
    MessageUsage,
    OutputBlock,
    Ping,
    StopDelta,
    TextDelta,
    TextOutput,
    ThinkingDelta,
    ThinkingOutput,
    ThinkingTokensDetails,
    ToolUseOutput,
)
from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.completion import Completion
from llm_mcp_hub.errors import HubError

StopReason = Literal["end_turn", "max_tokens", "tool_use", "refusal"]

STOP_REASONS: dict[FinishReason, StopReason] = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.TOOL_CALLS: "tool_use",
}

_MARK = "\u0001"
_encode = msgspec.json.Encoder().encode


def message_id(turn_id: str) -> str:
    """The id clients see, `msg_` and the turn's digits."""
    return f"msg_{turn_id.removeprefix('turn-')}"


def whole(
    completion: Completion, turn_id: str, model_id: str, *, show_thinking: bool
) -> MessageObject:
    """A whole answer."""
    content: list[OutputBlock] = []
    if completion.reasoning and show_thinking:
        content.append(ThinkingOutput(completion.reasoning))
    if completion.text:
        content.append(TextOutput(completion.text))
    content += [
        ToolUseOutput(call.id, call.name, _input(call.arguments)) for call in completion.tool_calls
    ]
    return MessageObject(
        id=message_id(turn_id),
        model=model_id,
        content=content,
        stop_reason=STOP_REASONS[completion.finish_reason],
        usage=usage_object(completion.usage),
    )


def usage_object(usage: Usage) -> MessageUsage:
    """Token counts in Anthropic's shape."""
    return MessageUsage(
        input_tokens=max(0, usage.input_tokens - usage.cached_tokens),
        output_tokens=usage.output_tokens,
        cache_creation_input_tokens=0,
        cache_read_input_tokens=usage.cached_tokens,
        output_tokens_details=ThinkingTokensDetails(usage.reasoning_tokens),
    )


def event(data: MessageEvent) -> bytes:
    """One event, named by its type as the SDKs need it."""
    return b"event: %s\ndata: %s\n\n" % (str(data.__struct_config__.tag).encode(), _encode(data))


PING = event(Ping())


def _input(arguments: str) -> dict[str, Any]:
    """A call's input; empty if the answer was cut within it, as `stop_reason` then says."""
    try:
        return msgspec.json.decode(arguments, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return {}


class EventEncoder:
    """Encodes the events of one stream."""

    __slots__ = (
        "_around",
        "_begun",
        "_blocks",
        "_calls",
        "_model",
        "_open",
        "_show_thinking",
        "_turn_id",
    )

    def __init__(self, turn_id: str, model_id: str, *, show_thinking: bool) -> None:
        self._turn_id = turn_id
        self._model = model_id
        self._show_thinking = show_thinking
        self._begun = False
        self._blocks = 0
        self._open: type[OutputBlock] | None = None
        self._around = (b"", b"")
        self._calls: dict[int, int] = {}

    def encode(self, chunks: Sequence[Chunk]) -> bytes:
        """The events of the next chunks, joined."""
        out: list[bytes] = []
        if not self._begun:
            self._begun = True
            out.append(self._start())
        for chunk in chunks:
            if isinstance(chunk, TextChunk):
                if chunk.text:
                    if self._open is not TextOutput:
                        out.append(self._begin(TextOutput(""), TextDelta(_MARK)))
                    out += (self._around[0], _encode(chunk.text), self._around[1])
            elif isinstance(chunk, ReasoningChunk):
                if chunk.text and self._show_thinking:
                    if self._open is not ThinkingOutput:
                        out.append(self._begin(ThinkingOutput(""), ThinkingDelta(_MARK)))
                    out += (self._around[0], _encode(chunk.text), self._around[1])
            elif isinstance(chunk, ToolCallChunk):
                self._calls[chunk.index] = self._blocks
                block = ToolUseOutput(chunk.id, chunk.name, {})
                out.append(self._begin(block, InputJsonDelta(_MARK)))
            elif isinstance(chunk, ToolArgumentsChunk) and chunk.text:
                delta = InputJsonDelta(chunk.text)
                out.append(event(ContentBlockDelta(self._calls[chunk.index], delta)))
        return b"".join(out)

    def end(self, completion: Completion, _last: int) -> bytes:
        """The events after the last chunk."""
        stop = StopDelta(STOP_REASONS[completion.finish_reason])
        return (
            self._stop_block()
            + event(MessageDelta(stop, usage_object(completion.usage)))
            + event(MessageStop())
        )

    def fail(self, error: HubError) -> bytes:
        """The event of an error, without `message_stop`: Anthropic's clients raise it."""
        return event(message_error(error, self._turn_id))

    def _start(self) -> bytes:
        message = MessageObject(
            id=message_id(self._turn_id),
            model=self._model,
            content=[],
            stop_reason=None,
            usage=usage_object(Usage()),
        )
        return event(MessageStart(message)) + PING

    def _begin(self, block: OutputBlock, delta: BlockDelta) -> bytes:
        """Begin the next block, whose deltas are like `delta` with their text for `_MARK`."""
        data = self._stop_block() + event(ContentBlockStart(self._blocks, block))
        before, _, after = event(ContentBlockDelta(self._blocks, delta)).partition(_encode(_MARK))
        self._around = (before, after)
        self._open = type(block)
        self._blocks += 1
        return data

    def _stop_block(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return event(ContentBlockStop(self._blocks - 1))


class MessagesForm:
    """Answers of `/v1/messages`, for `api.answer`.

    Args:
        show_thinking: Whether the client wants to see the model's reasoning.
    """

    def __init__(self, *, show_thinking: bool) -> None:
        self._show_thinking = show_thinking

    def whole(self, turn: AnyTurn, completion: Completion) -> bytes:
        """A whole answer, JSON."""
        answer = whole(completion, turn.turn_id, turn.model_id, show_thinking=self._show_thinking)
        return _encode(answer)

    def events(self, turn: KnownTurn) -> EventEncoder:
        """The encoder of a streamed answer."""
        return EventEncoder(turn.turn_id, turn.model_id, show_thinking=self._show_thinking)
