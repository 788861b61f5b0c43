"""The pieces a completion arrives in. A completion is nothing but the fold of its chunks."""

from enum import StrEnum

from msgspec import Struct


class Usage(Struct, frozen=True):
    """Tokens of one turn, or summed over several.

    Attributes:
        input_tokens: All input tokens, cached ones included.
        cached_tokens: Those of them read from the vendor's prompt cache.
        output_tokens: All generated tokens, reasoning included.
        reasoning_tokens: Those of them spent on reasoning, where the vendor says so.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )

    def beyond(self, other: "Usage") -> "Usage":
        """What of it is not in `other`, which is a part of it; never below 0."""
        return Usage(
            max(0, self.input_tokens - other.input_tokens),
            max(0, self.cached_tokens - other.cached_tokens),
            max(0, self.output_tokens - other.output_tokens),
            max(0, self.reasoning_tokens - other.reasoning_tokens),
        )

    def at_least(self, other: "Usage") -> "Usage":
        """The larger of each figure: two views of the same tokens, neither of which is whole."""
        return Usage(
            max(self.input_tokens, other.input_tokens),
            max(self.cached_tokens, other.cached_tokens),
            max(self.output_tokens, other.output_tokens),
            max(self.reasoning_tokens, other.reasoning_tokens),
        )


class FinishReason(StrEnum):
    """Why the model stopped, in OpenAI's words."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    TOOL_CALLS = "tool_calls"


class TextChunk(Struct, frozen=True, gc=False, tag="text"):
    """More of the answer."""

    text: str


class ReasoningChunk(Struct, frozen=True, gc=False, tag="reasoning"):
    """More of the model's visible reasoning."""

    text: str


class ToolCallChunk(Struct, frozen=True, gc=False, tag="tool_call"):
    """A call of a tool of the client's begins.

    Attributes:
        index: Which call of this answer it is, counted from 0.
        id: What its result is to name.
        name: As the client named the tool.
    """

    index: int
    id: str
    name: str


class ToolArgumentsChunk(Struct, frozen=True, gc=False, tag="tool_arguments"):
    """More of a call's arguments: all of them joined are one JSON object."""

    index: int
    text: str


class FinishChunk(Struct, frozen=True, tag="finish"):
    """The end of the answer. Exactly one, and the last chunk of every stream that succeeds."""

    reason: FinishReason
    usage: Usage


Chunk = TextChunk | ReasoningChunk | ToolCallChunk | ToolArgumentsChunk | FinishChunk
