"""One answer, put together from the events of one or more messages upstream; pure.

The tool sends more than one message upstream in a turn when the model calls a tool that does not
exist, and when a stream broke and it tries again. Only the second repeats text: a message that
broke has no stop reason.
"""

from collections.abc import Callable, Sequence

from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from llm_mcp_hub_claude.calls import Calls
from llm_mcp_hub_claude.lines import Delta, StartedMessage, StreamEvent, TokenUsage

FINAL_STOPS = {
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "refusal": FinishReason.CONTENT_FILTER,
}
"""Stop reasons after which the tool would go on by itself, with a prompt of its own."""


class Answer:
    """The answer so far.

    Args:
        name_of: The client's name of a tool, None if it is none of the client's.
        parallel_calls: Whether the answer may have more than one call.

    Attributes:
        calls: The calls of the client's tools.
        started: Whether any message began.
        said: Whether anything but reasoning was told.
        under_way: Whether the message that is under way has brought any of that.
        stopped: Whether a message with calls is complete.
    """

    def __init__(
        self,
        name_of: Callable[[str], str | None] = lambda _: None,
        parallel_calls: bool = True,  # named as in a request
    ) -> None:
        self.calls = Calls(name_of, parallel=parallel_calls)
        self.started = False
        self.said = False
        self.under_way = False
        self.stopped = False
        self._reasoned = False
        self._muted = False
        self._earlier = Usage()
        self._message = TokenUsage()

    @property
    def spent(self) -> Usage:
        """What its messages cost so far, those that broke and the one under way included."""
        return self._earlier + to_usage(self._message)

    def start(self, message: StartedMessage | None) -> bool:
        """A message begins.

        Returns:
            False if it would repeat text, since the one before it broke.
        """
        self._earlier = self.spent
        self._message = (message and message.usage) or TokenUsage()
        if self.under_way:
            return False
        # Reasoning that was told before a break is not told a second time.
        self._muted = self._reasoned
        self.started = True
        return True

    def block(self, event: StreamEvent) -> Sequence[Chunk]:
        """A block begins, goes on or ends."""
        chunks: list[Chunk] = []
        if event.delta is not None:
            chunks = self._delta(event.delta)
        elif event.content_block is not None:
            chunks = self.calls.begin(event.content_block)
        elif event.type == "content_block_stop":
            chunks = self.calls.end()
        if any(not isinstance(chunk, ReasoningChunk) for chunk in chunks):
            self.said = self.under_way = True
        return chunks

    def _delta(self, delta: Delta) -> list[Chunk]:
        if delta.type == "text_delta":
            return [TextChunk(delta.text)] if delta.text else []
        if delta.type == "input_json_delta":
            return self.calls.write(delta.partial_json)
        if delta.type == "thinking_delta" and delta.thinking and not self._muted:
            self._reasoned = True
            return [ReasoningChunk(delta.thinking)]
        return []

    def stop(self, event: StreamEvent) -> FinishChunk | None:
        """A message ends, if the event has a stop reason; a broken one has none.

        What it has cost is told either way.

        Returns:
            The finish, if the answer must end here.
        """
        if event.usage is not None:
            self._message = _latest(self._message, event.usage)
        reason = event.delta.stop_reason if event.delta is not None else None
        if reason is None:
            return None
        self.under_way = self._reasoned = False
        final = FINAL_STOPS.get(reason)
        return FinishChunk(final, self.spent) if final is not None else None

    def usage_of(self, total: TokenUsage | None, earlier: Usage) -> Usage:
        """Usage of the answer: as the `result` says, or as far as it was seen.

        Args:
            total: Of all that the tool did for what it was last told.
            earlier: What of that other answers have been charged with.
        """
        return to_usage(total).beyond(earlier) if total is not None else self.spent


def to_usage(usage: TokenUsage) -> Usage:
    """The hub's figures, in which cached input is input."""
    cached = usage.cache_read_input_tokens or 0
    details = usage.output_tokens_details
    return Usage(
        input_tokens=(usage.input_tokens or 0) + (usage.cache_creation_input_tokens or 0) + cached,
        cached_tokens=cached,
        output_tokens=usage.output_tokens or 0,
        reasoning_tokens=(details.thinking_tokens or 0) if details is not None else 0,
    )


def _latest(first: TokenUsage, last: TokenUsage) -> TokenUsage:
    """Figures of `message_delta`, which are totals, over those of `message_start`."""
    names = TokenUsage.__struct_fields__
    return TokenUsage(
        **{n: getattr(first, n) if getattr(last, n) is None else getattr(last, n) for n in names}
    )
