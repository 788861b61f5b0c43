"""One answer, put together from the events of one or more messages upstream; pure.

The tool sends more than one message upstream in a turn when the model calls a tool that does not
exist, and when a stream broke and it tries again. Only the second repeats text: a message that
broke has no stop reason.
"""

from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from llm_mcp_hub_claude.lines import Delta, StartedMessage, StreamEvent, TokenUsage

FINAL_STOPS = {
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "refusal": FinishReason.CONTENT_FILTER,
}
"""Stop reasons after which the tool would go on by itself, with a prompt of its own."""


class Answer:
    """The answer so far.

    Attributes:
        started: Whether any message began.
        said: Whether any text came.
        under_way: Whether the message that is under way has brought text.
    """

    __slots__ = ("_muted", "_opening", "_reasoned", "_spent", "said", "started", "under_way")

    def __init__(self) -> None:
        self.started = False
        self.said = False
        self.under_way = False
        self._reasoned = False
        self._muted = False
        self._spent = Usage()
        self._opening = TokenUsage()

    def start(self, message: StartedMessage | None) -> bool:
        """A message begins.

        Returns:
            False if it would repeat text, since the one before it broke.
        """
        if self.under_way:
            return False
        # Reasoning that was told before a break is not told a second time.
        self._muted = self._reasoned
        self.started = True
        self._opening = (message and message.usage) or TokenUsage()
        return True

    def delta(self, delta: Delta) -> Chunk | None:
        """A piece of a block. Only text and reasoning are told; calls of tools are not."""
        if delta.type == "text_delta":
            if not delta.text:
                return None
            self.said = self.under_way = True
            return TextChunk(delta.text)
        if delta.type == "thinking_delta" and delta.thinking and not self._muted:
            self._reasoned = True
            return ReasoningChunk(delta.thinking)
        return None

    def stop(self, event: StreamEvent) -> FinishChunk | None:
        """A message ends, if the event has a stop reason; a broken one has none.

        Returns:
            The finish, if the answer must end here.
        """
        reason = event.delta.stop_reason if event.delta is not None else None
        if reason is None:
            return None
        self.under_way = self._reasoned = False
        self._spent += to_usage(_latest(self._opening, event.usage or TokenUsage()))
        final = FINAL_STOPS.get(reason)
        return FinishChunk(final, self._spent) if final is not None else None

    def usage_of(self, total: TokenUsage | None) -> Usage:
        """Usage of the whole turn: as its `result` says, or as far as it was seen."""
        return to_usage(total) if total is not None else self._spent


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
