"""A whole answer, made by folding the chunks of a stream."""

from collections.abc import Iterable

from msgspec import Struct

from llm_mcp_hub.domain.chat import Message, TextPart
from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    Usage,
)


class Completion(Struct, frozen=True):
    """What the model answered."""

    text: str
    reasoning: str
    finish_reason: FinishReason
    usage: Usage

    @property
    def message(self) -> Message:
        """The answer as the assistant's message of a transcript. Reasoning is not part of it."""
        return Message("assistant", (TextPart(self.text),) if self.text else ())


class Fold:
    """Takes chunks one batch at a time and knows the completion once the stream has finished."""

    __slots__ = ("_finish", "_reasoning", "_text")

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._finish: FinishChunk | None = None

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Take the next chunks, in order."""
        for chunk in chunks:
            if isinstance(chunk, TextChunk):
                self._text.append(chunk.text)
            elif isinstance(chunk, ReasoningChunk):
                self._reasoning.append(chunk.text)
            else:
                self._finish = chunk

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
            "".join(self._text), "".join(self._reasoning), self._finish.reason, self._finish.usage
        )


def fold(chunks: Iterable[Chunk]) -> Completion | None:
    """The completion that a whole stream amounts to, or None if it never finished."""
    folded = Fold()
    folded.add(chunks)
    return folded.completion
