"""A whole answer, made by folding the chunks of a stream."""

from collections.abc import Sequence

from msgspec import Struct

from llm_mcp_hub.domain.chat import Message, TextPart, ToolCallPart
from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)


class Completion(Struct, frozen=True):
    """What the model answered.

    Attributes:
        tool_calls: Calls of the client's tools, in the order of their indices.
    """

    text: str
    reasoning: str
    finish_reason: FinishReason
    usage: Usage
    tool_calls: tuple[ToolCallPart, ...] = ()

    @property
    def message(self) -> Message:
        """The answer as the assistant's message of a transcript. Reasoning is not part of it."""
        text = (TextPart(self.text),) if self.text else ()
        return Message("assistant", text + self.tool_calls)


class Fold:
    """Takes chunks one batch at a time and knows the completion once the stream has finished."""

    __slots__ = ("_arguments", "_calls", "_finish", "_reasoning", "_text")

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, ToolCallChunk] = {}
        self._arguments: dict[int, list[str]] = {}
        self._finish: FinishChunk | None = None

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Take the next chunks, in order."""
        # By type, for a struct that is no instance costs `isinstance` twenty times as much.
        texts = [chunk.text for chunk in chunks if type(chunk) is TextChunk]
        self._text += texts
        others = len(chunks) - len(texts)
        if others == 1 and type(chunks[-1]) is not TextChunk:
            self._add_other(chunks[-1])
        elif others:
            for chunk in chunks:
                self._add_other(chunk)

    def _add_other(self, chunk: Chunk) -> None:
        if type(chunk) is FinishChunk:
            self._finish = chunk
        elif type(chunk) is ReasoningChunk:
            self._reasoning.append(chunk.text)
        elif type(chunk) is ToolCallChunk:
            self._calls[chunk.index] = chunk
        elif type(chunk) is ToolArgumentsChunk:
            self._arguments.setdefault(chunk.index, []).append(chunk.text)

    @property
    def finished(self) -> bool:
        """Whether the stream's `FinishChunk` has come."""
        return self._finish is not None

    @property
    def completion(self) -> Completion | None:
        """The completion, or None while no `FinishChunk` has come."""
        if self._finish is None:
            return None
        return Completion(
            "".join(self._text),
            "".join(self._reasoning),
            self._finish.reason,
            self._finish.usage,
            self._tool_calls() if self._calls else (),
        )

    def _tool_calls(self) -> tuple[ToolCallPart, ...]:
        return tuple(
            ToolCallPart(call.id, call.name, "".join(self._arguments.get(index, ())) or "{}")
            for index, call in sorted(self._calls.items())
        )


def fold(chunks: Sequence[Chunk]) -> Completion | None:
    """The completion that a whole stream amounts to, or None if it never finished."""
    folded = Fold()
    folded.add(chunks)
    return folded.completion
